"""The delivery stage as a process: an event loop that the main loop runs in short turns.

So everything is in one thread, except the client's own, and an event loop that hangs is a main loop
that hangs, which health and watchdog see.
"""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry

from streams.adapters.system_clock import SystemClock
from streams.bootstrap import ensure_rules, names_of
from streams.core.rules import compile_rules
from streams.deliver.action import TOPIC
from streams.deliver.client_settings import read_client_settings
from streams.deliver.stage import Stage
from streams.deliver.transports import EMAIL, build_channels, check_campaigns
from streams.errors import UsageError
from streams.metrics.deliver import DeliverMetrics
from streams.settings import Settings

# How long one turn of the event loop takes; a stop is noticed as soon.
TURN_S: Final = 0.2
SHOW_EVERY_S: Final = 1.0

Result = TypeVar("Result")


class DeliverProcess:
    """`Processor` of the delivery stage, called `instance`.

    Raises `UsageError` for settings that no waiting mends.
    """

    def __init__(self, settings: Settings, instance: str, registry: CollectorRegistry) -> None:
        if settings.clock == "event":
            raise UsageError(
                "run deliver: under RFM_CLOCK=event time is not now, and nothing may be sent; run it "
                "under RFM_CLOCK=wall"
            )
        self._settings = settings
        self._instance = instance
        self._clock = SystemClock()
        self.metrics = DeliverMetrics(registry, self._clock, names_of(settings).topic(TOPIC))
        self._client = read_client_settings(settings.kafka_config())
        self._channels = build_channels(settings, self._clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stage: Stage | None = None
        self._reasons = ["starting"]
        self._show_at_s = 0.0
        self._say_what_is_missing()

    def open(self) -> None:
        """Connect and ask to join the group."""
        # Off for the batches of the other roles. Errors and event loops make cycles all the time.
        gc.enable()
        rules = ensure_rules(self._settings)
        check_campaigns(self._settings, self._channels, compile_rules(rules.rules, rules.version))
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._stage = self._run(self._build())
        self._run(self._opened().open())

    def run_once(self) -> int:
        """One turn; 0, because there is no batch whose leavings could be set aside."""
        self._run(self._opened().turn(TURN_S))
        return 0

    def refresh(self) -> None:
        """Show once a second how things stand."""
        now_s = self._clock.monotonic_s()
        if now_s < self._show_at_s:
            return
        self._show_at_s = now_s + SHOW_EVERY_S
        stage = self._opened()
        self._reasons = (
            [] if stage.has_joined else ["the group has not given this member its share yet"]
        )
        self.metrics.show_ready(is_ready=stage.has_joined)
        self.metrics.show_lanes(stage.lanes.pending, stage.lanes.positions, stage.ends())

    def reasons(self) -> list[str]:
        """Why it is not ready, as of the latest look."""
        return self._reasons

    def close(self) -> None:
        """Finish what is at a receiver, give back the rest, leave the group."""
        self._reasons = ["stopping"]
        loop, self._loop = self._loop, None
        stage, self._stage = self._stage, None
        if loop is None:
            return
        try:
            if stage is not None:
                loop.run_until_complete(stage.close())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _build(self) -> Stage:
        return Stage(
            self._settings,
            self._instance,
            self._client,
            self._channels,
            self._clock,
            self.metrics,
        )

    def _opened(self) -> Stage:
        if self._stage is None:
            raise RuntimeError("run before open")
        return self._stage

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("run before open")
        return self._loop.run_until_complete(coroutine)

    def _say_what_is_missing(self) -> None:
        log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        if self._client.left_out:
            log.info(
                "settings of RFM_KAFKA that the delivery stage does without",
                names=list(self._client.left_out),
            )
        if EMAIL in self._channels and self._settings.delivery_unsubscribe_url is None:
            log.warning(
                "mails go out without a link to unsubscribe: set RFM_DELIVERY_UNSUBSCRIBE_URL"
            )
