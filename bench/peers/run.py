"""Run the peers on a topic of orders and check that they did the work.

    python -m bench.peers.run --bootstrap 127.0.0.1:9092 --topic load --events 200000

Each peer runs in an environment of its own, made by uv from the script's inline metadata (their
pins collide with ours). One line of JSON for each; exit code 1 where a result is wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.peers.protocol import Tally, fold
from streams.errors import BrokenInvariant, RfmError, Transient

PEERS: Final = {"quix": "quix_app.py", "faust": "faust_app.py"}
_HERE: Final = Path(__file__).resolve().parent
_ROOT: Final = _HERE.parent.parent
_UV: Final = _ROOT / ".uv" / "bin" / "uv"
_WATCHED: Final = 500
_RUN_LIMIT_S: Final = 1_800
# A broker that is up answers well within this; longer means that the topic is shorter than asked.
_SILENCE_S: Final = 15


class _Order(msgspec.Struct):
    customer_id: str
    total: str
    occurred_at: str


def fetch_tallies(bootstrap: str, topic: str, events: int) -> dict[str, Tally]:
    """Count the topic's first `events` records in plain Python, for comparison with the peers.

    Raises Transient where the topic holds fewer and BrokenInvariant where it holds more: the peers
    stop after `events`, so only a topic of exactly that many gives them all the same work.
    """
    decode = msgspec.json.Decoder(_Order).decode
    tallies: dict[str, Tally] = {}
    done = 0
    for value in _fetch_values(bootstrap, topic):
        order = decode(value)
        tallies[order.customer_id] = fold(
            tallies.get(order.customer_id),
            {"total": order.total, "occurred_at": order.occurred_at},
        )
        done += 1
    if done < events:
        raise Transient(f"{topic} holds {done} orders, {events} were asked for: publish more first")
    if done > events:
        raise BrokenInvariant(f"{topic} holds {done} orders: measure with --events {done}")
    return tallies


def _fetch_values(bootstrap: str, topic: str) -> Iterator[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"bench-check-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        ended = 0
        while ended < len(partitions):
            messages = consumer.consume(10_000, timeout=_SILENCE_S)
            if not messages:
                raise Transient(f"the broker at {bootstrap} sent nothing for {_SILENCE_S} s")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message.value() or b""
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    ended += 1
                else:
                    raise Transient(f"reading {topic} failed: {error}")
    finally:
        consumer.close()


def prepare(peer: str) -> None:
    """Make the peer's environment, so that its downloads are over before anything is timed."""
    command = [str(_UV), "sync", "--quiet", "--script", str(_HERE / PEERS[peer])]
    subprocess.run(command, check=True, timeout=_RUN_LIMIT_S)


def run_peer(peer: str, bootstrap: str, topic: str, tallies: dict[str, Tally]) -> dict[str, Any]:
    """Run one peer over the whole topic and return what it reports, checked.

    `tallies` is what the topic holds by our own count. Raises BrokenInvariant where the peer says
    otherwise and Transient where it ends without a report.
    """
    events = sum(tally[0] for tally in tallies.values())
    group = f"bench-{peer}-{uuid.uuid4().hex[:8]}"
    watched = sorted(tallies)[:: max(1, len(tallies) // _WATCHED)]
    with tempfile.TemporaryDirectory(prefix=group) as folder:
        watch = Path(folder) / "watched"
        watch.write_text("\n".join(watched))
        task = {
            "bootstrap": bootstrap,
            "topic": topic,
            "partitions": count_partitions(bootstrap, topic),
            "events": events,
            "group": group,
            "state-dir": Path(folder) / "state",
            "watch": watch,
        }
        line = _last_line(peer, [f"--{name}={value}" for name, value in task.items()], folder)
    report: dict[str, Any] = json.loads(line)
    results = report.pop("watched")
    expected = {customer: tallies[customer] for customer in watched}
    wrong = [customer for customer in watched if results.get(customer) != expected[customer]]
    if wrong or report["events"] != events or report["customers"] != len(tallies):
        raise BrokenInvariant(
            f"{peer} counted {report['events']} orders of {report['customers']} customers, not "
            f"{events} of {len(tallies)}; {len(wrong)} of {len(watched)} watched ones are wrong"
        )
    report["checked"] = len(watched)
    report["committed"] = fetch_committed(bootstrap, topic, group)
    return report


def _last_line(peer: str, arguments: list[str], folder: str) -> str:
    command = [str(_UV), "run", "--quiet", "--script", str(_HERE / PEERS[peer])]
    ended = subprocess.run(
        [*command, *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_RUN_LIMIT_S,
    )
    # A peer's libraries may print too; its report is the one line that is an object.
    reports = [line for line in ended.stdout.splitlines() if line.startswith('{"peer":')]
    if ended.returncode or len(reports) != 1:
        raise Transient(
            f"{peer} ended with code {ended.returncode} and {len(reports)} reports, expected 1; "
            f"its last words: {ended.stdout[-300:].strip()!r}"
        )
    return reports[0]


def count_partitions(bootstrap: str, topic: str) -> int:
    """Count the partitions of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-partitions"})
    try:
        return len(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    finally:
        consumer.close()


def fetch_committed(bootstrap: str, topic: str, group: str) -> int:
    """Fetch how many records the group has committed as processed, over all partitions."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        asked = [TopicPartition(topic, number) for number in partitions]
        return sum(max(0, found.offset) for found in consumer.committed(asked, timeout=30))
    finally:
        consumer.close()


def main(arguments: list[str]) -> int:
    """Run the chosen peers one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True, help="records in the topic")
    parser.add_argument("--peer", choices=sorted(PEERS), action="append", help="default: all")
    options = parser.parse_args(arguments)
    try:
        tallies = fetch_tallies(options.bootstrap, options.topic, options.events)
        for peer in options.peer or PEERS:
            prepare(peer)
            print(json.dumps(run_peer(peer, options.bootstrap, options.topic, tallies)), flush=True)
    except RfmError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
