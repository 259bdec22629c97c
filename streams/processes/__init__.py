"""Processes: how a processor starts, goes on and ends, and how several are kept running."""
