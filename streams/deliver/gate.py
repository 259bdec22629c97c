"""What stands before a transport: its rate, and its circuit while the receiver is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiolimiter import AsyncLimiter
from circuitbreaker import CircuitBreaker

from streams.deliver.channels.channel import Channel, Delivery, Refused, TryAgain
from streams.deliver.ports import Measures

# A receiver that fails one time in five fails ten times in a row once in ten million.
FAILURES_TO_OPEN = 10
# How long an absent receiver is left alone before the next attempt tries for all.
OPEN_S = 10

Wait = Callable[[float], Awaitable[None]]


class Gate:
    """One transport with its brakes. Made and used in one event loop."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        *,
        rate_per_s: float,
        timeout_s: float,
        measures: Measures,
        open_s: int = OPEN_S,
    ) -> None:
        self.name = name
        self.channel = channel
        self._timeout_s = timeout_s
        self._measures = measures
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
        # A second's worth may go at once; below one a second, one.
        self._limiter = AsyncLimiter(max(1.0, rate_per_s), max(1.0, 1.0 / rate_per_s))
        self._circuit = CircuitBreaker(
            failure_threshold=FAILURES_TO_OPEN,
            recovery_timeout=open_s,
            expected_exception=TryAgain,
            name=name,
        )
        self._was_open = False
        measures.circuit(name, is_open=False)

    @property
    def is_open(self) -> bool:
        """Whether the receiver is taken to be away; still so while an attempt tries it out."""
        return not self._circuit.closed

    async def admit(self, wait: Wait) -> None:
        """Return when a delivery may start; `wait` may raise to give up."""
        while self._circuit.opened:
            await wait(max(0.1, float(self._circuit.open_remaining)))
        while not self._limiter.has_capacity():
            await wait(self._limiter.time_period / self._limiter.max_rate)
        await self._limiter.acquire()

    async def send(self, delivery: Delivery) -> str:
        """One attempt within the time-out; raises `Refused` or `TryAgain`, nothing else."""
        try:
            said: str = await self._circuit.call_async(self._attempt, delivery)
        finally:
            self._show()
        return said

    async def _attempt(self, delivery: Delivery) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self.channel.send(delivery)
        except (Refused, TryAgain):
            raise
        except TimeoutError as error:
            raise TryAgain("timeout") from error
        except Exception as error:
            # A channel of somebody else's may raise anything. Its text may name a person.
            self._log.debug("a channel raised what it should not", exc_info=error)
            raise TryAgain("error", f"{type(error).__name__}: {error}") from error

    def _show(self) -> None:
        is_open = self.is_open
        if is_open == self._was_open:
            return
        self._was_open = is_open
        self._measures.circuit(self.name, is_open=is_open)
        if is_open:
            failure = self._circuit.last_failure
            self._log.warning(
                "a receiver fails again and again; its actions wait",
                transport=self.name,
                cause=getattr(failure, "code", ""),
            )
        else:
            self._log.info("the receiver is back", transport=self.name)
