"""History before the beginning is back-filled under the first rules; the second hold from there on."""

import json
from pathlib import Path
from typing import Any

from schemas.fields import parse_instant_ms
from streams.adapters.memory.log import Published
from streams.bootstrap import build_rates, limits_of
from streams.codec.outputs import SEGMENT_CHANGES
from streams.core.values import DAY_MS
from streams.files.reading import read_events
from streams.replay.replay import Beginning, Replay
from streams.rules.arming import canonical
from streams.rules.files import rules_document
from streams.settings import load_settings
from tests.backtest.history import write_history

BEGINS = "2026-02-01T00:00:00Z"
HISTORY = """
order A A1 2026-01-10T10:00:00Z 10.00
order B B1 2026-01-31T23:59:59Z 10.00
order C C1 2026-02-01T00:00:00Z 10.00
order A A2 2026-02-20T10:00:00Z 10.00
"""
# What the first rules call so is called otherwise by the second.
FIRST, SECOND = "Potential Loyalists", "Newcomers"


def changes(folder: Path) -> list[dict[str, Any]]:
    """The segment changes of the history, in order."""
    settings = load_settings(None, schemes="rfm")
    before = canonical({**rules_document(settings), "campaigns": []})
    found: list[dict[str, Any]] = []

    def deliver(topic: str, record: Published) -> None:
        if topic == SEGMENT_CHANGES:
            found.append(json.loads(record.value))

    begins = parse_instant_ms(BEGINS)
    replay = Replay(
        before,
        limits_of(settings),
        build_rates(settings),
        begins + 100 * DAY_MS,
        deliver,
        lambda letter: None,
        begins=Beginning(begins, before.replace(FIRST, SECOND)),
    )
    with read_events([write_history(folder, HISTORY)], None) as events:
        for event in events:
            replay.take(event)
    replay.finish()
    return found


def test_what_comes_before_the_beginning_is_back_filled(tmp_path: Path) -> None:
    first = {one["customer_id"]: one["cause"]["kind"] for one in reversed(changes(tmp_path))}
    assert first == {"A": "backfill", "B": "backfill", "C": "event"}


def test_the_rules_change_a_millisecond_before_the_beginning(tmp_path: Path) -> None:
    """Given rules with another name, then it holds for all known before and for who comes at it."""
    told = {
        (one["customer_id"], one["current"], one["cause"]["kind"], one["effective_at"])
        for one in changes(tmp_path)
        if one["rules_version"] == 2
    }
    assert told == {
        ("A", SECOND, "rules", "2026-01-31T23:59:59.999Z"),
        ("B", SECOND, "rules", "2026-01-31T23:59:59.999Z"),
        ("C", SECOND, "event", BEGINS.replace("Z", ".000Z")),
    }
