"""The same marketing tool on Faust: `pip install faust-streaming confluent-kafka cramjam`.

    python examples/subscribers/on_faust.py lists.db localhost:9092

Faust keeps positions in Kafka and moves them a little later than ours: what it reads again after a
crash is recognised by its `event_id`.
"""

import os
import sys
import traceback
from typing import Any

import faust
from faust_read_committed import ReadCommitted
from from_today import require_same_partitions, start_from_today, tell_group
from segment_lists import SegmentLists

GROUP = "segment-lists"


def main(path: str, servers: str, namespace: str = "") -> None:
    """Follow `segment-changes` for ever."""
    prefix = f"{namespace}." if namespace else ""
    changes = f"{prefix}segment-changes"
    lists = SegmentLists(path)
    if not lists.positions():
        start_from_today(lists, servers, changes, f"{prefix}customer-segments")
    require_same_partitions(servers, changes, lists.positions())
    tell_group(servers, f"{prefix}{GROUP}", changes, lists)
    app = faust.App(
        f"{prefix}{GROUP}",
        broker=f"kafka://{servers}",
        # Back at once after a crash, without the time-out of the life before.
        consumer_group_instance_id=GROUP,
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        web_enabled=False,
        datadir=f"{path}.faust",
    )
    # Faust also reads records of transactions that were rolled back, unless it is kept from it.
    app.transport.Consumer = ReadCommitted
    topic = app.topic(changes, key_serializer="raw", value_serializer="raw")

    @app.agent(topic)
    async def follow(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            try:
                lists.apply(message.partition, message.offset, message.value)
            except Exception:
                # Faust would take the change for done and go on behind it.
                traceback.print_exc()
                os._exit(1)

    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
