"""The compacted topic of present segments: what stands in it, and when it is written."""

import json
from collections.abc import Mapping
from typing import Any

from schemas.customer_segments import CustomerSegments
from streams.adapters.memory import MemoryLog
from streams.codec.present_segments import CUSTOMER_SEGMENTS, encode_segments
from streams.core.inputs import (
    ConsentChanged,
    CustomerErased,
    CustomerMerged,
    Input,
    RulesApplied,
    SegmentsRequested,
    Tick,
)
from streams.core.rules import compile_rules
from streams.core.state import Membership
from streams.ports import Headers
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.core.story import DAY, T0
from tests.runtime.journals import order
from tests.runtime.world import World


class CountingLog(MemoryLog):
    """Remembers the keys of what is written to the compacted topic, transaction by transaction."""

    written: list[list[bytes]]

    def begin(self) -> None:
        super().begin()
        self.written = getattr(self, "written", [])
        self.written.append([])

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        if topic == CUSTOMER_SEGMENTS:
            self.written[-1].append(key or b"")
        super().publish(topic, key, value, headers, partition)


def rules(version: int = 1, schemes: str = "full", at_ms: int = T0) -> RulesApplied:
    text = rules_text(Settings.model_construct(schemes=schemes))
    return RulesApplied(received_at_ms=at_ms, version=version, rules=text)


def decide(world: World, *records: Input) -> list[bytes]:
    """Decide more records as one batch; the keys written to the topic."""
    worker = world.journal(records).worker(log=CountingLog)
    assert isinstance(worker.log, CountingLog)
    worker.log.written = []
    worker.run_to_end()
    world.check()
    return [key for transaction in worker.log.written for key in transaction]


def present(world: World, customer_id: str) -> Mapping[str, Any] | None:
    """What the topic says of a customer, by scheme; None without a record."""
    value = world.told_segments.get(customer_id.encode())
    if value is None:
        return None
    return dict(
        json.loads(CustomerSegments.model_validate_json(value).model_dump_json())["segments"]
    )


def common(number: int, customer_id: str, at_ms: int) -> dict[str, Any]:
    return {
        "event_id": f"x{number}",
        "customer_id": customer_id,
        "occurred_at_ms": at_ms,
        "received_at_ms": at_ms,
        "identity": 10_000 + number,
        "source": "shop",
    }


def test_the_record_is_where_the_changes_have_led() -> None:
    """Given changes in several schemes; then each stands with its number, its instant, its names."""
    world = World()
    decide(world, rules(), order(1, "C-1", T0), order(2, "C-1", T0 + DAY, 90_000))
    latest: dict[str, dict[str, Any]] = {}
    for one in world.broker.outputs["segment-changes"]:
        change = json.loads(one.value)
        latest[change["scheme"]] = change
    segments = present(world, "C-1")
    assert segments == {
        scheme: {
            "segment": change["current"],
            "since": change["effective_at"],
            "sequence": change["sequence"],
        }
        for scheme, change in latest.items()
    }
    assert segments["rfm"]["segment"]
    assert any(one["sequence"] > 1 for one in segments.values())


def test_flags_are_a_list_and_no_segment_at_all_is_no_record() -> None:
    schemes = compile_rules(rules().rules, 1).schemes
    gone = Membership(None, "At Risk", T0, 3)
    flags = Membership("Bulk Buyer|Spending Limiter", "Bulk Buyer", T0 + DAY, 2)
    value, _ = encode_segments("C-1", {"rfm": gone, "behaviour": flags}, schemes)
    assert value is not None
    assert json.loads(value)["segments"] == {
        "rfm": {"segment": None, "since": "2026-01-01T00:00:00.000Z", "sequence": 3},
        "behaviour": {
            "segment": ["Bulk Buyer", "Spending Limiter"],
            "since": "2026-01-02T00:00:00.000Z",
            "sequence": 2,
        },
    }
    without_flags = flags._replace(segment=None)
    assert encode_segments("C-1", {"rfm": gone, "behaviour": without_flags}, schemes) == (None, [])


def test_headers_are_cloudevents() -> None:
    world = World()
    decide(world, rules(schemes="rfm"), order(1, "C-1", T0), order(2, "C-1", T0 + DAY, 90_000))
    [record] = world.broker.compacted[CUSTOMER_SEGMENTS].values()
    segments = present(world, "C-1")
    assert segments is not None
    assert dict(record.headers) == {
        "ce_id": f"C-1/{segments['rfm']['sequence']}".encode(),
        "ce_type": b"customer.segments",
        "ce_time": segments["rfm"]["since"].encode(),
        "ce_specversion": b"1.0",
        "ce_source": b"rfm-streams",
        "content-type": b"application/json",
    }


def test_it_is_written_once_a_batch_and_only_for_who_changed() -> None:
    world = World()
    first = decide(
        world, rules(), *(order(n, "C-1", T0 + n, 9_000 * n) for n in range(1, 9)),
        order(20, "C-2", T0 + 20),
    )  # fmt: skip
    assert sorted(first) == [b"C-1", b"C-2"]
    consent = ConsentChanged(**common(1, "C-1", T0 + DAY), channel="email", granted=True)
    assert decide(world, consent) == []
    assert decide(world, Tick(received_at_ms=T0 + 2_000 * DAY, continuous=True)) == [b"C-1", b"C-2"]


def test_who_is_erased_or_merged_away_is_forgotten() -> None:
    world = World()
    decide(world, rules(), order(1, "C-1", T0), order(2, "C-2", T0), order(3, "C-3", T0))
    assert world.told_segments.keys() == {b"C-1", b"C-2", b"C-3"}
    decide(
        world,
        CustomerErased(**common(1, "C-1", T0 + DAY)),
        CustomerMerged(**common(2, "C-2", T0 + DAY), into_customer_id="C-3"),
    )
    assert world.told_segments.keys() == {b"C-3"}
    # and who comes back after an erasure is there again, numbers going on
    decide(world, order(4, "C-1", T0 + 2 * DAY))
    segments = present(world, "C-1")
    assert segments is not None
    assert segments["rfm"]["sequence"] == 3


def test_who_is_asked_for_is_told_again() -> None:
    """Given a topic that is empty; when some are asked for; then they are told, time stands still."""
    world = World()
    decide(world, rules(), order(1, "C-1", T0), order(2, "C-2", T0))
    told = dict(world.told_segments)
    world.broker.compacted.clear()
    written = decide(world, SegmentsRequested(received_at_ms=0, customers=["C-1", "C-2", "nobody"]))
    assert written == [b"C-1", b"C-2", b"nobody"]
    assert world.told_segments == told
    time_ms = T0
    assert world.worker().run_to_end().cycle.partitions[0].time_ms == time_ms


def test_a_scheme_that_is_switched_off_goes_when_the_customer_is_told_next() -> None:
    world = World()
    decide(world, rules(), order(1, "C-1", T0))
    before = present(world, "C-1")
    assert before is not None
    assert len(before) > 1
    decide(world, rules(2, "rfm", T0 + 1))
    assert present(world, "C-1") == before
    decide(world, SegmentsRequested(received_at_ms=0, customers=["C-1"]))
    assert present(world, "C-1") == {"rfm": before["rfm"]}


def test_what_is_told_does_not_depend_on_where_batches_end() -> None:
    """Given a change of rules right behind a change of segment; then the schemes are of before."""
    records: list[Input] = [
        rules(),
        order(1, "C-1", T0),
        rules(2, "rfm", T0 + 1),
        CustomerErased(**common(1, "C-2", T0 + DAY)),
    ]
    told = []
    for max_records in (1, 10):
        world = World().journal(records)
        world.worker(max_records=max_records).run_to_end()
        world.check()
        told.append(world.told_segments)
    assert told[0] == told[1]
