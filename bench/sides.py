"""One measured process of ours: reads what is there as fast as it can, and says what it took.

    python -m bench.sides raw|intake|decide --events N       (settings from RFM_* as always)
    python -m bench.sides rebuild

Prints one line of JSON. Time runs from the first processed record to the last, as for the peers.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from streams.adapters.kafka.config import reader_config
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_decider, build_store, names_of
from streams.intake.build import build_intake
from streams.metrics.decide import DecideMetrics
from streams.metrics.intake import IntakeMetrics
from streams.processes.garbage import GarbageCollection
from streams.runtime.measures import NoMeasures
from streams.settings import Settings, load_settings

_SILENCE_S = 30.0


def measure_raw(settings: Settings, events: int) -> dict[str, Any]:
    """Bytes only: what the client itself can read."""
    topic = names_of(settings).topic("shop.orders")
    consumer = Consumer(reader_config(settings.kafka_config()))
    consumer.assign([TopicPartition(topic, number, 0) for number in range(settings.partitions)])

    def read() -> int:
        return sum(1 for one in consumer.consume(10_000, 0.2) if one.error() is None)

    return _drain(read, events)


def measure_intake(settings: Settings, events: int) -> dict[str, Any]:
    """Intake on the events of the public topic."""
    metrics = IntakeMetrics(CollectorRegistry(), SystemClock())
    intake = build_intake(settings, "bench", metrics)
    result = _drain(intake.cycle.run_once, events)
    intake.close()
    return result


def measure_decide(settings: Settings, events: int) -> dict[str, Any]:
    """Decide on the journal."""
    metrics = DecideMetrics(CollectorRegistry(), SystemClock(), wall_clock=True)
    decider = build_decider(settings, "bench", metrics)
    result = _drain(decider.cycle.run_once, events)
    decider.close()
    return result


def measure_rebuild(settings: Settings) -> dict[str, Any]:
    """Wipe Redis and let a new owner rebuild it from rfm.state."""
    store = build_store(settings)
    customers = sum(len(list(store.scan(one))) for one in range(settings.partitions))
    for one in range(settings.partitions):
        store.wipe(one)
    decider = build_decider(settings, "bench", NoMeasures())
    while not decider.cycle.partitions:
        decider.cycle.run_once()
    began_s = time.perf_counter()
    while not decider.cycle.is_ready:
        decider.cycle.run_once()
    seconds = time.perf_counter() - began_s
    decider.close()
    return {"customers": customers, "seconds": seconds, "customers_per_s": customers / seconds}


def _drain(run_once: Callable[[], int], events: int) -> dict[str, Any]:
    collection = GarbageCollection(SystemClock())
    profile = cProfile.Profile() if os.environ.get("RFM_BENCH_PROFILE") else None
    done, began_s, silent_since_s = 0, 0.0, time.perf_counter()
    began_cpu_s = 0.0
    while done < events:
        before_s, before_cpu_s = time.perf_counter(), time.process_time()
        count = run_once()
        if count and not done:
            began_s, began_cpu_s = before_s, before_cpu_s
            if profile:
                profile.enable()
        if count:
            silent_since_s = time.perf_counter()
        elif time.perf_counter() - silent_since_s > _SILENCE_S:
            sys.exit(f"nothing came for {_SILENCE_S:g} s after {done} of {events} events")
        done += count
        collection.after_cycle(count)
    seconds = time.perf_counter() - began_s
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    return {
        "events": done,
        "seconds": seconds,
        "events_per_s": done / seconds,
        "cpu_us_per_event": (time.process_time() - began_cpu_s) / done * 1e6,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure one side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["raw", "intake", "decide", "rebuild"])
    parser.add_argument("--events", type=int, default=0)
    given = parser.parse_args()
    settings = load_settings()
    sides: dict[str, Callable[[], dict[str, Any]]] = {
        "raw": lambda: measure_raw(settings, given.events),
        "intake": lambda: measure_intake(settings, given.events),
        "decide": lambda: measure_decide(settings, given.events),
        "rebuild": lambda: measure_rebuild(settings),
    }
    print(json.dumps({"side": given.side, **sides[given.side]()}))


if __name__ == "__main__":
    main()
