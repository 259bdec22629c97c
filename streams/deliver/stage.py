"""Everything of the delivery stage that lives in one event loop, from its opening to its closing."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from streams.adapters.redis.keys import Keys
from streams.adapters.redis.recipients import RedisRecipients, connect_async
from streams.adapters.redis.sent import RedisSentMemory
from streams.bootstrap import names_of
from streams.deliver.action import TOPIC
from streams.deliver.channels.channel import Channel
from streams.deliver.client_settings import ClientSettings
from streams.deliver.faust_app import FaustApp
from streams.deliver.gate import Gate
from streams.deliver.lanes import Lanes
from streams.deliver.ports import Measures
from streams.deliver.reporting import KafkaReporter
from streams.deliver.sending import Sender
from streams.deliver.transports import transport_of
from streams.intake.ports import SourceRecord
from streams.ports import Clock
from streams.settings import Settings

ROLE: Final = "deliver"
COMMIT_EVERY_S: Final = 1.0
RATE_PER_S: Final = 10.0
_DAY_S: Final = 86_400
# Leaving the group takes well under a second; a client that hangs is left behind.
_LEAVE_S: Final = 3.0
# Of the time for stopping, what is at a receiver has all but this.
_CLOSING_S: Final = _LEAVE_S + 1.0


class Stage:
    """One member of the group with its lanes and transports. Made in its event loop."""

    def __init__(
        self,
        settings: Settings,
        instance: str,
        client: ClientSettings,
        channels: Mapping[str, Channel],
        clock: Clock,
        measures: Measures,
    ) -> None:
        names = names_of(settings)
        self._clock = clock
        self._channels = channels
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        self._commit_at_s = 0.0
        self._grace_s = max(0.0, settings.shutdown_timeout_s - _CLOSING_S)
        self.has_joined = False
        gates = {
            name: Gate(
                name,
                channel,
                rate_per_s=settings.delivery_rate_per_s.get(name, RATE_PER_S),
                timeout_s=settings.delivery_timeout_s,
                measures=measures,
            )
            for name, channel in channels.items()
        }
        self.app = FaustApp(
            client,
            client_id=f"rfm-{instance}",
            topic=names.topic(TOPIC),
            group=names.group(ROLE),
            instance=instance,
            clock=clock,
            received=self._received,
            assigned=self._assigned,
            revoked=self._revoked,
        )
        reporter = KafkaReporter(self.app.publish, names.topic, clock)
        self._redis = connect_async(settings.redis_url.get_secret_value())
        keys = Keys(settings.namespace)
        sender = Sender(
            lambda channel: gates.get(transport_of(settings, channel)),
            RedisRecipients(self._redis, keys, names.journal, settings.partitions),
            RedisSentMemory(self._redis, keys, int(settings.delivery_remember_days * _DAY_S)),
            reporter,
            clock,
            measures,
        )
        self.lanes = Lanes(sender, reporter.reject, clock, measures, settings.delivery_timeout_s)

    async def open(self) -> None:
        """Get the transports ready and ask to join; the share comes in a later turn."""
        for channel in self._channels.values():
            await channel.open()
        self.app.start()

    async def turn(self, seconds: float) -> None:
        """Let everything go on for a while; raises what ended something that should not end."""
        await asyncio.sleep(seconds)
        self.app.check()
        self.lanes.check()
        if self._clock.monotonic_s() >= self._commit_at_s:
            self._commit_at_s = self._clock.monotonic_s() + COMMIT_EVERY_S
            await self.lanes.tend(self.app)

    async def close(self) -> None:
        """Finish what is at a receiver, give back the rest, leave the group, close everything."""
        await self.lanes.revoke(self.app, self._grace_s)
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self.app.stop()
        except TimeoutError:
            self._log.warning("the group was not left in time; its session runs out by itself")
        for channel in self._channels.values():
            await channel.close()
        await self._redis.aclose()

    def ends(self) -> dict[int, int | None]:
        """The ends of the partitions that this process has, as of the latest fetch."""
        return {number: self.app.end_of(number) for number in self.lanes.pending}

    def _received(self, partition: int, record: SourceRecord) -> None:
        self.lanes.receive(self.app, partition, record)

    async def _assigned(self, partitions: set[int]) -> None:
        await self.lanes.assign(self.app, partitions)
        self.has_joined = True

    async def _revoked(self, _partitions: set[int]) -> None:
        # The protocol is eager: all go back, and come again where they stay.
        self.has_joined = False
        await self.lanes.revoke(self.app)
