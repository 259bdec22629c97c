"""100,000 spoilt records: intake never stops, and each is in the journal or in the dead letters."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from schemas.registry import INBOUND
from streams.adapters.kafka.intake_log import PUBLIC_TOPICS
from tests.integration.intake_rig import Rig, run_until

RECORDS = 100_000
SEED = 20_260_301
STRANGE: list[Any] = [
    None, True, -1, 0, 1e300, -1e-300, 10**30, float("nan"), float("inf"), "", "x" * 300, "\0",
    "\ud800", "\u0661", "1e2", "1_000", [], [[]], {}, {"a": None}, [None], "null", "guest",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z",
]  # fmt: skip

Message = dict[str, Any]


def flip_bytes(value: bytes, rng: random.Random) -> bytes:
    """Change one to three bytes to anything."""
    spoilt = bytearray(value)
    for _ in range(rng.randint(1, 3)):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def cut(value: bytes, rng: random.Random) -> bytes:
    """Leave out the end, or a part of the middle."""
    first, second = sorted(rng.choices(range(len(value) + 1), k=2))
    return value[:first] + (value[second:] if rng.random() < 0.5 else b"")


def _any_place(content: Any, rng: random.Random) -> tuple[Any, Any]:
    """A container inside the message and a key or index in it."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = rng.choice(keys)
        below = content[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.3:
            return content, key
        content = below


def remove_field(value: bytes, rng: random.Random) -> bytes:
    """Leave out a field or an element, at any depth."""
    message = json.loads(value)
    container, key = _any_place(message, rng)
    del container[key]
    return json.dumps(message).encode()


def change_type(value: bytes, rng: random.Random) -> bytes:
    """Put something strange into a field or an element, at any depth."""
    message = json.loads(value)
    container, key = _any_place(message, rng)
    container[key] = rng.choice(STRANGE)
    return json.dumps(message).encode()


def add_field(value: bytes, rng: random.Random) -> bytes:
    """Add a field that no contract knows; attributes may be called anything."""
    message = json.loads(value)
    target = message.get("attributes", message)
    target[f"x{rng.randrange(9)}"] = rng.choice(STRANGE)
    return json.dumps(message).encode()


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    flip_bytes, cut, remove_field, change_type, add_field,
]  # fmt: skip


def mutants(rng: random.Random) -> list[tuple[str, int, bytes]]:
    """Topic, partition and value of each record; a few are whole."""
    originals = [
        (topic, json.dumps(contract.example()).encode())
        for topic, contracts in INBOUND.items()
        for contract in contracts
    ]
    found = []
    for number in range(RECORDS):
        topic, value = rng.choice(originals)
        if number % 10:
            value = rng.choice(MUTATIONS)(value, rng)
        if rng.random() < 0.02:
            topic = rng.choice(PUBLIC_TOPICS)
        found.append((topic, number % 2, value))
    return found


def test_spoilt_records_never_stop_intake_and_none_is_lost(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace, partitions=2)
    records = mutants(random.Random(SEED))
    sources: dict[tuple[str, int], list[bytes]] = {}
    for topic, partition, value in records:
        sources.setdefault((topic, partition), []).append(value)
        rig.publish(topic, value, partition=partition)
    rig.flush()
    with rig.intake() as (intake, measures):
        run_until(intake, lambda: sum(measures.batches) >= RECORDS, "all were taken")
    assert sum(measures.batches) == RECORDS
    assert measures.aborts == []

    letters = rig.dead_letters()
    refused = Counter(
        (
            letter.header("dlq.topic"),
            int(letter.header("dlq.partition")),
            int(letter.header("dlq.offset")),
        )
        for letter in letters
    )
    assert len(refused) == len(letters)
    for letter in letters:
        place = (letter.header("dlq.topic"), int(letter.header("dlq.partition")))
        assert letter.value == sources[place][int(letter.header("dlq.offset"))]
    kept = Counter(
        (message["customer_id"], message["event_id"])
        for (topic, partition), values in sources.items()
        for offset, value in enumerate(values)
        if (topic, partition, offset) not in refused
        for message in [json.loads(value)]
    )
    journaled = rig.events()
    assert sum(kept.values()) == len(journaled) == RECORDS - len(letters)
    assert Counter((entry.customer_id, entry.event_id) for entry in journaled) == kept
    # Both ends are well filled: this is not a test of one branch.
    assert min(len(letters), len(journaled)) > RECORDS // 5
    assert len({letter.header("dlq.reason") for letter in letters}) > 12
