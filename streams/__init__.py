"""rfm-streams: event-driven customer segmentation for web shops."""

from importlib.metadata import version

VERSION = version("rfm-streams")
