# /// script
# requires-python = ">=3.11"
# dependencies = ["quixstreams==3.28.1", "confluent-kafka==2.12.2", "rocksdict==0.3.29"]
# ///
"""Quix Streams: order count, sum and last date per customer, exactly once.

State in RocksDB with a changelog topic; every checkpoint is one Kafka transaction with the
changelog and the offsets. No output topic: the state is the result.
"""

from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found]

from bench.peers.protocol import Progress, Tally, fold, parse_task

# About what our own processor commits at once; the default is every COMMIT_INTERVAL_S alone.
COMMIT_EVERY = 10_000
COMMIT_INTERVAL_S = 5.0
# librdkafka waits 100 ms between back-to-back transactions by default; the same cure as ours.
PRODUCER: dict[str, Any] = {"retry.backoff.ms": 1, "retry.backoff.max.ms": 10}


def main() -> None:
    """Run until the task's number of records is processed and committed."""
    task = parse_task()
    progress = Progress(task)
    settings = {
        "quixstreams": "3.28.1",
        "processing_guarantee": "exactly-once",
        "commit_every": COMMIT_EVERY,
        "commit_interval_s": COMMIT_INTERVAL_S,
        "state": "RocksDB, changelog topic, one key per customer",
        "producer": PRODUCER,
    }
    app = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=COMMIT_EVERY,
        commit_interval=COMMIT_INTERVAL_S,
        producer_extra_config=dict(PRODUCER),  # Quix adds its transactional id
        state_dir=task.state_dir,
        loglevel="WARNING",
    )
    orders = app.topic(task.topic, key_deserializer="str", value_deserializer="json")

    def count(order: dict[str, Any], state: State) -> None:
        progress.begin()
        tally: Tally = fold(state.get("orders"), order)
        state.set("orders", tally)
        progress.note(order["customer_id"], tally)

    app.dataframe(orders).update(count, stateful=True)
    app.run(count=task.events, collect=False)
    progress.report("quix", settings)


if __name__ == "__main__":
    main()
