"""Crashes, pauses and broken servers on a real broker and a real Redis. README.md tells how to read it."""
