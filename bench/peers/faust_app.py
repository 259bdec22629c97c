# /// script
# requires-python = ">=3.11"
# dependencies = ["faust-streaming==0.15.3", "aiokafka==0.14.0", "orjson==3.13.0", "uvloop>=0.21"]
# ///
"""Faust: order count, sum and last date per customer in a table, at least once.

The table is in memory with a changelog topic, the fastest store that Faust has. Its exactly-once
mode logs transaction errors and goes on, so it is not used here.
"""

import asyncio
from typing import Any

import faust
from mode.loop import use

from bench.peers.protocol import Progress, fold, parse_task

# One process, so its time is best spent in a faster loop and a faster JSON.
use("uvloop")

SETTINGS: dict[str, Any] = {
    "broker_commit_every": 10_000,
    "broker_commit_interval": 2.8,
    "producer_acks": -1,
    # The defaults, 16 KiB and no linger, send the changelog in so many requests that they dominate.
    "producer_linger": 0.02,
    "producer_max_batch_size": 262_144,
}


def main() -> None:
    """Run until the task's number of records is processed and the worker has stopped."""
    task = parse_task()
    progress = Progress(task)
    app = faust.App(
        task.group,
        broker=f"kafka://{task.bootstrap}",
        datadir=str(task.state_dir),
        store="memory://",
        topic_partitions=task.partitions,
        topic_replication_factor=1,
        topic_allow_declare=True,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="json",
        web_enabled=False,
        **SETTINGS,
    )
    orders = app.topic(task.topic, key_type=str, key_serializer="raw", value_serializer="json")
    tallies = app.Table("tallies", partitions=task.partitions)
    stopping: list[asyncio.Task[None]] = []

    @app.agent(orders)
    async def count(stream: faust.StreamT[dict[str, Any]]) -> None:
        async for customer, order in stream.items():
            progress.begin()
            tally = fold(tallies.get(customer), order)
            tallies[customer] = tally
            if progress.note(customer, tally):
                # An agent cannot wait for the end of the worker that runs it.
                stopping.append(asyncio.create_task(worker.stop()))

    worker = faust.Worker(app, loglevel="WARN", quiet=True, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        if ended.code:
            raise
    progress.report(
        "faust",
        {
            "faust-streaming": "0.15.3",
            "processing_guarantee": "at-least-once",
            "store": "memory",
            **SETTINGS,
        },
    )


if __name__ == "__main__":
    main()
