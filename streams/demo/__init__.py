"""The demo: a simulated shop on a fast clock, everything behind it, and a view of what happens.

`stages` are where it plays: real processes on an embedded Kafka and Redis, or the memory backend.
"""
