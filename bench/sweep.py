"""Everybody is decided anew while orders go on: how long that takes, and what live events notice.

New rules that move one limit ask for the sweep, which is the same as after a snapshot. Latency is
that of the orders' own segment changes from the journaling of the rules to the end of the sweep.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from bench.latency import WARM_UP_S, ChangeWatcher
from bench.load import Load, publish_steady
from streams.bootstrap import build_store, names_of
from streams.codec.partition import PartitionRecord, decode_partition
from streams.settings import Settings

_LOOK_S = 0.5
_LONGEST_S = 1_800.0
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Seconds from new rules to the last customer; milliseconds of live events meanwhile."""

    seconds: float
    p50_ms: float
    p99_ms: float
    changes: int


def measure_sweep(
    settings: Settings, rate: float, known: Load, apply_rules: Callable[[], None]
) -> SweepResult:
    """Publish at `rate`, move the rules, and watch until everybody stands under them.

    `known` is the load by which the customers became known. One customer in eleven of those who order
    meanwhile is new, and by the first change of the new ones the latency is told.
    """
    topic = names_of(settings).topic("shop.orders")
    stopping: list[bool] = []
    load = Load(
        events=int(rate * _LONGEST_S),
        # The same seed draws the same customers first.
        customers=known.customers + known.customers // 10,
        seed=known.seed,
    )
    publisher = Thread(
        target=publish_steady,
        args=(settings.kafka_bootstrap_servers, topic, load, rate),
        kwargs={"until": lambda: bool(stopping)},
    )
    changes = ChangeWatcher(settings)
    watcher = Thread(target=changes.watch, args=(publisher,))
    publisher.start()
    watcher.start()
    try:
        time.sleep(WARM_UP_S)
        # The backlog from the processes' start is no sweep's doing.
        changes.wait_until_live(_START_S)
        began_ms, began_s = time.time_ns() / 1e6, time.monotonic()
        _sweep(settings, apply_rules)
        seconds, ended_ms = time.monotonic() - began_s, time.time_ns() / 1e6
    finally:
        stopping.append(True)
        publisher.join()
        watcher.join()
    late = sorted(latency for at_ms, latency in changes.found if began_ms <= at_ms <= ended_ms)
    return SweepResult(seconds, late[len(late) // 2], late[len(late) * 99 // 100], len(late))


def _sweep(settings: Settings, apply_rules: Callable[[], None]) -> None:
    before = max(record.rules_version for record in _records(settings))
    deadline_s = time.monotonic() + _LONGEST_S
    apply_rules()
    while not all(record.swept_rules_version > before for record in _records(settings)):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the sweep took longer than {_LONGEST_S:g} s")
        time.sleep(_LOOK_S)


def _records(settings: Settings) -> list[PartitionRecord]:
    store = build_store(settings)
    positions = [store.position(number) for number in range(settings.partitions)]
    return [
        decode_partition(position.partition_record)
        for position in positions
        if position is not None and position.partition_record is not None
    ]
