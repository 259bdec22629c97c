"""One action's way out: may it go, to whom, by what, again and again until it has an outcome."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

from schemas.dead_letters import Reason
from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.gate import Gate
from streams.deliver.pending import Over, Pending
from streams.deliver.ports import (
    Mark,
    Measures,
    Outcome,
    Recipient,
    Recipients,
    Reporter,
    SentMemory,
)
from streams.errors import Rejected, Transient
from streams.ports import Clock

# With these waits some twenty minutes of a receiver that takes all others: then it is this one.
MAX_FAILURES: Final = 12
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
JITTER_S: Final = 1.0
# After a pause at the gate the customer may have changed.
_STALE_AFTER_S: Final = 1.0
# A mark that is lost costs a repetition after a crash, under the same key; a stage that stands still
# for it costs more.
_FINISH_ATTEMPTS: Final = 5
# Redis is back within seconds, or decide gets to where the action was decided.
REDIS_WAIT_S: Final = 1.0
# Channels that need an address which only an attribute can hold.
_ADDRESSED: Final = frozenset({"email", "sms"})


class Sender:
    """Delivers actions. `routes` maps a channel to its gate; one without is not to be reached."""

    def __init__(
        self,
        routes: Callable[[str], Gate | None],
        recipients: Recipients,
        memory: SentMemory,
        reporter: Reporter,
        clock: Clock,
        measures: Measures,
    ) -> None:
        self._routes = routes
        self._recipients = recipients
        self._memory = memory
        self._reporter = reporter
        self._clock = clock
        self._measures = measures
        self._backoff = wait_exponential(FIRST_WAIT_S, LONGEST_WAIT_S) + wait_random(0, JITTER_S)
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")

    async def deliver(self, pending: Pending) -> None:
        """See an action through to its outcome, reported and remembered.

        Cancelling the task gives it back, except while `pending.in_effect`. Raises `Transient` where
        the outcome cannot be reported.
        """
        action = pending.action
        async with self._slot(pending):
            mark = await self._mark(pending)
        if mark is Mark.DONE:
            self._measures.taken("known")
            return
        pending.was_attempted = mark is Mark.BEGUN
        outcome = await self._outcome(pending)
        # What is known now must be told: from here on nothing gives it back.
        pending.in_effect = True
        await self._reporter.report(action, outcome)
        seconds = (self._clock.now_ms() - action.decided_at_ms) / 1000
        self._measures.delivered(outcome, seconds)
        self._log.debug("delivered", action=action.action_id, outcome=outcome.outcome)
        await self._finish(action.action_id)

    async def _outcome(self, pending: Pending) -> Outcome:
        first = pending.action.channels[0] if pending.action.channels else "none"
        try:
            return await self._until_taken(pending)
        except Over as over:
            return Outcome(first, "failed", over.detail)
        except Withheld as withheld:
            return Outcome(first, "failed", withheld.detail)
        except Unusable as unusable:
            refused = unusable.refused
            detail = f"{refused.reason}"
            if isinstance(refused, Refused) and refused.code != detail:
                detail = f"{detail}: {refused.code}"
            return Outcome(unusable.channel or first, "failed", detail, refused)

    async def _until_taken(self, pending: Pending) -> Outcome:
        """Attempts with growing pauses until the receiver took it."""

        def note(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            if isinstance(error, Failed):
                self._measures.retried(error.transport, error.cause.code)
            else:
                self._measures.retried("redis", "lookup")

        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            wait=self._pause,
            sleep=pending.wait,
            before_sleep=note,
            reraise=True,
        ):
            with attempt:
                return await self._attempt(pending)
        raise AssertionError("tenacity ends by a result or an error")

    def _pause(self, state: RetryCallState) -> float:
        """Exponential with jitter, and no less than the receiver asks for."""
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, Failed):
            return REDIS_WAIT_S
        return max(self._backoff(state), error.cause.after_s)

    async def _attempt(self, pending: Pending) -> Outcome:
        pending.check()
        async with self._slot(pending):
            delivery, gate = await self._prepared(pending)
            await self._memory.begin(pending.action.action_id)
            pending.check()
            pending.was_attempted = pending.in_effect = True
            try:
                said = await gate.send(delivery)
            except TryAgain as error:
                pending.in_effect = False
                raise self._counted(pending, gate, delivery, error) from error
            except Refused as error:
                raise Unusable(error, delivery.channel) from error
            return Outcome(delivery.channel, "sent", said)

    def _slot(self, pending: Pending) -> asyncio.Lock:
        """The place in the partition's queue for the transport that the action most likely takes."""
        for channel in pending.action.channels:
            gate = self._routes(channel)
            if gate is not None:
                return pending.slots[gate.name]
        return pending.slots[""]

    async def _prepared(self, pending: Pending) -> tuple[Delivery, Gate]:
        """What to send by what, decided on what is known of the customer at this very moment."""
        action = pending.action
        while True:
            pending.check()
            recipient = await self._recipients.fetch(
                action.customer_id, action.channels, action.decided_at_ms
            )
            channel, gate = self._choose(pending, recipient)
            began_s = self._clock.monotonic_s()
            await gate.admit(pending.wait)
            if self._clock.monotonic_s() - began_s < _STALE_AFTER_S:
                break
        address = recipient.addresses.get(channel)
        return Delivery(action=action, channel=channel, recipient=recipient, address=address), gate

    def _choose(self, pending: Pending, recipient: Recipient) -> tuple[str, Gate]:
        """The best channel that has a transport, consent and an address."""
        if recipient.erased:
            raise Unusable(
                Rejected(Reason.CUSTOMER_ERASED, "the customer was erased before it went out")
            )
        routed = [
            (channel, gate)
            for channel in pending.action.channels
            if (gate := self._routes(channel)) is not None
        ]
        if not routed:
            channels = ", ".join(pending.action.channels)
            raise Unusable(
                Rejected(
                    Reason.NO_TRANSPORT,
                    f"none of its channels ({channels}) has a transport: see "
                    "RFM_DELIVERY_TRANSPORTS and the settings of the transport",
                )
            )
        allowed = [one for one in routed if one[0] in recipient.allowed]
        if not allowed:
            raise Withheld("consent_withdrawn")
        for channel, gate in allowed:
            if channel not in _ADDRESSED or channel in recipient.addresses:
                return channel, gate
        channel = allowed[0][0]
        raise Unusable(
            Rejected(Reason.NO_ADDRESS, f"the customer has no address for {channel}"), channel
        )

    def _counted(
        self, pending: Pending, gate: Gate, delivery: Delivery, error: TryAgain
    ) -> Exception:
        """A failure counts against the action only while its receiver takes others."""
        if not gate.is_open:
            pending.failures += 1
        if pending.failures < MAX_FAILURES:
            return Failed(gate.name, error)
        message = f"{pending.failures} attempts failed, the latest: {error.words or error.code}"
        refused = Refused(error.code, message, Reason.DELIVERY_GAVE_UP)
        return Unusable(refused, delivery.channel)

    async def _mark(self, pending: Pending) -> Mark:
        """Ask until there is an answer: without it nothing may be done, and waiting loses nothing."""
        while True:
            try:
                return await self._memory.mark(pending.action.action_id)
            except Transient:
                self._measures.retried("redis", "mark")
                await asyncio.sleep(REDIS_WAIT_S)

    async def _finish(self, action_id: str) -> None:
        for number in range(1, _FINISH_ATTEMPTS + 1):
            try:
                await self._memory.finish(action_id)
            except Transient as error:
                if number == _FINISH_ATTEMPTS:
                    self._log.warning(
                        "what went out could not be remembered; after a crash it may go out again "
                        "under the same key",
                        cause=str(error),
                    )
                else:
                    await asyncio.sleep(REDIS_WAIT_S)
            else:
                return


class Failed(Transient):
    """An attempt over `transport` that is made again."""

    def __init__(self, transport: str, cause: TryAgain) -> None:
        super().__init__(cause.code)
        self.transport = transport
        self.cause = cause


class Unusable(Exception):
    """The action can never go out; `channel` is the one that was tried, None before that."""

    def __init__(self, refused: Rejected, channel: str | None = None) -> None:
        super().__init__(refused.message)
        self.refused = refused
        self.channel = channel


class Withheld(Exception):
    """The action may not go out, and nobody made a mistake."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
