"""The delivery stage: actions leave the building, and what became of them comes back as an event.

At least once, always under the same idempotency key. `sending.py` is one action's way,
`lane.py` one partition's, `faust_app.py` the only module that knows Faust.
"""
