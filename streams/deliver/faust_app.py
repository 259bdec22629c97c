"""The Faust application: reads `marketing.actions`, publishes what became of them, commits.

The only module that knows Faust, and what of it is switched off: its worker with signals and
logging, the web server, tables, folders, topics of its own, its environment variables and its
acknowledgements.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import faust
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from yarl import URL

from streams.deliver.client_settings import ClientSettings
from streams.deliver.handover import Handover
from streams.errors import Denied, Transient
from streams.intake.ports import SourceRecord
from streams.ports import Clock

SESSION_TIMEOUT_S: Final = 10.0
# What is at a receiver when partitions move may end first; the group waits for it.
REBALANCE_TIMEOUT_S: Final = 60.0
# The client leaves the group when nothing was fetched for this long, and nothing is fetched while a
# receiver is away and all lanes are full. That this process lives is seen to by its watchdog.
_MAX_POLL_INTERVAL_S: Final = 7 * 24 * 3600.0
# Of a client that ended nobody answers.
_COMMIT_TIMEOUT_S: Final = 5.0
# Read ahead in front of the lanes, which have a bound of their own.
_BUFFERED: Final = 500
_MAX_REQUEST_BYTES: Final = 12 * 1024 * 1024 + 4096

# Services of Faust log by the module of their class. That they start and stop is no news.
logging.getLogger(__name__).setLevel(logging.WARNING)

_REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

Received = Callable[[int, SourceRecord], None]
Assigned = Callable[[set[int]], Awaitable[None]]
Revoked = Callable[[set[int]], Awaitable[None]]


class _ReadCommittedThread(AIOKafkaConsumerThread):
    """Faust reads uncommitted records, unless it runs its own transactions: no setting changes it.

    `tests/integration/test_deliver.py` shows an aborted action that does not go out.
    """

    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Read when the consumer starts.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - its argument, no setter
        return consumer

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Leave it to `FaustApp.check`, which tells it in our log; Faust prints to the terminal."""


class _ReadCommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109
        records = await super()._getmany(active_partitions, timeout)
        handover = cast("_App", self.app).handover
        for tp, fetched in records.items():
            handover.fetched(tp.partition, [record.offset for record in fetched])
        return records


class _ReadCommittedTransport(Transport):
    Consumer = _ReadCommittedConsumer


class _App(faust.App):
    handover: Handover

    async def on_first_start(self) -> None:
        """Make no folders: there are no tables to keep in them."""


class FaustApp:
    """One member of the group of the delivery stage. Made and used in one event loop.

    `received` gets the partition and the record, in order; `assigned` the partitions after a
    change of hands, `revoked` those before it, which are given back when it returns.
    """

    def __init__(
        self,
        client: ClientSettings,
        *,
        client_id: str,
        topic: str,
        group: str,
        instance: str,
        clock: Clock,
        received: Received,
        assigned: Assigned,
        revoked: Revoked,
    ) -> None:
        self._topic = topic
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._app = app = _App(
            group,
            **_settings(client, client_id, instance),
            loop=asyncio.get_running_loop(),
        )
        app.handover = self._handover = Handover(clock)
        urls = [URL(f"kafka://{server}") for server in client.servers]
        app.transport = _ReadCommittedTransport(urls, app)
        # Without acknowledgements Faust commits nothing by itself.
        source = app.topic(topic, key_serializer="raw", value_serializer="raw", acks=False)

        @app.agent(source, concurrency=1, name="deliver")
        async def take(stream: Any) -> None:
            async for event in stream.events():
                message = event.message
                # Fetched before partitions changed hands: it comes again, from the position that
                # is committed.
                if message.generation_id != app.consumer_generation_id:
                    continue
                if app.handover.received(message.partition, message.offset):
                    received(message.partition, _record(message))

        async def on_assigned(_sender: object, partitions: set[TP], **_: Any) -> None:
            app.handover.begin_anew()
            await assigned({tp.partition for tp in partitions if tp.topic == topic})

        async def on_revoked(_sender: object, partitions: set[TP], **_: Any) -> None:
            await revoked({tp.partition for tp in partitions if tp.topic == topic})

        # Faust's own type of a handler wants a parameter that it passes by name only.
        handlers: Any = (
            (app.on_partitions_assigned, on_assigned),
            (app.on_partitions_revoked, on_revoked),
        )
        self._handlers = handlers
        for signal, handler in handlers:
            signal.connect(handler)
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect and join, in the background; `check` tells of failures."""
        # It returns only when the group has given a share, which may take longer than a cycle.
        self._starting = asyncio.create_task(self._app.start())

    def check(self) -> None:
        """Raise `Transient` where it ended by itself, or passed a record over."""
        starting = self._starting
        if starting is not None and starting.done() and not starting.cancelled():
            error = starting.exception()
            if error is not None:
                raise _failure("Faust did not start", error) from error
        self._handover.check()
        if self._app.crashed:
            reason = self._app.crash_reason
            raise _failure("Faust ended", reason)

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit next-to-read offsets by partition; False where partitions are changing hands.

        Raises `Transient` where that could not be done.
        """
        offsets = {TP(self._topic, number): at for number, at in positions.items()}
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                # Its public `commit` takes only what was acknowledged to Faust.
                return await self._consumer._commit(offsets)  # noqa: SLF001
        except Exception as error:
            raise _failure("committing positions", error) from error

    async def publish(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Any
    ) -> None:
        """Publish one record and wait until all replicas have it; raises `Transient`."""
        try:
            producer = await self._app.maybe_start_producer()
            await producer.send_and_wait(topic, key, value, None, None, headers)
        except Exception as error:
            raise _failure(f"publishing to {topic}", error) from error

    def pause(self, partition: int) -> None:
        """Fetch no more of a partition; what was fetched still comes.

        As Faust's own full buffers do it. Its `pause_partitions` drops what was fetched: a hole that
        nobody would fill before the next life.
        """
        self._consumer.on_buffer_full(TP(self._topic, partition))

    def resume(self, partition: int) -> None:
        """Fetch again."""
        self._consumer.on_buffer_drop(TP(self._topic, partition))

    def end_of(self, partition: int) -> int | None:
        """The end of a partition as of the latest fetch; None before the first."""
        try:
            end = self._app.consumer.highwater(TP(self._topic, partition))
        except Exception:  # noqa: BLE001 - the client has no state of a partition just given back
            return None
        return int(end) if end is not None else None

    @property
    def _consumer(self) -> _ReadCommittedConsumer:
        return cast("_ReadCommittedConsumer", self._app.consumer)

    async def stop(self) -> None:
        """Leave the group; a static member keeps its place until the session times out."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        await self._app.stop()
        # Receivers are kept in the class, by the identity of an app that may be used again.
        for signal, handler in self._handlers:
            signal.disconnect(handler)


def _failure(doing: str, error: BaseException | None) -> Transient | Denied:
    """What to raise for an error of the client: `Denied` for a missing permission."""
    said = f"{doing}: {type(error).__name__}: {error}"
    if isinstance(error, _REFUSALS):
        return Denied(f"{said}: `rfm-streams topics acl --role deliver` prints what it needs")
    return Transient(said)


def _settings(client: ClientSettings, client_id: str, instance: str) -> dict[str, Any]:
    credentials: Any = None
    if client.login is not None:
        mechanism, user, password = client.login
        credentials = SASLCredentials(
            username=user, password=password, mechanism=mechanism, ssl_context=client.context
        )
    elif client.context is not None:
        credentials = SSLCredentials(client.context)
    return {
        # Faust lets environment variables such as APP_VERSION or BROKER_URL win over everything.
        "env": {"": ""},
        "version": 1,
        "autodiscover": False,
        "broker": [f"kafka://{server}" for server in client.servers],
        "broker_client_id": client_id,
        "broker_credentials": credentials,
        "broker_session_timeout": SESSION_TIMEOUT_S,
        "broker_heartbeat_interval": SESSION_TIMEOUT_S * 0.3,
        "broker_rebalance_timeout": REBALANCE_TIMEOUT_S,
        "broker_max_poll_interval": _MAX_POLL_INTERVAL_S,
        "broker_max_poll_records": _BUFFERED,
        "consumer_group_instance_id": instance,
        # Whatever was decided before the first start is told: as expired, where it is.
        "consumer_auto_offset_reset": "earliest",
        "producer_max_request_size": _MAX_REQUEST_BYTES,
        "stream_buffer_maxsize": _BUFFERED,
        "stream_wait_empty": False,
        "store": "memory://",
        "cache": "memory://",
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
    }


def _record(message: Any) -> SourceRecord:
    headers = message.headers
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers or ())
    return SourceRecord(message.offset, message.key, message.value, pairs)
