"""The brakes before a transport: its rate, its circuit, its time-out."""

import asyncio
import time
from typing import Any

import pytest

from streams.deliver.channels.channel import Delivery, TryAgain
from streams.deliver.gate import FAILURES_TO_OPEN, Gate
from tests.deliver.deliveries import Counts, Scripted, delivery, run

FAILS = TryAgain("http_503")


class Waits:
    """Waits as a pending action would, and remembers that it did."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(seconds)


def gate_of(channel: Any, counts: Counts, **changed: Any) -> Gate:
    said: dict[str, Any] = {"rate_per_s": 1_000.0, "timeout_s": 1.0, "open_s": 1}
    return Gate("one", channel, measures=counts, **(said | changed))


def test_after_failures_in_a_row_nobody_is_let_through_until_it_was_tried_out() -> None:
    counts, waits = Counts(), Waits()
    channel = Scripted(*[FAILS] * FAILURES_TO_OPEN)

    async def use() -> None:
        gate = gate_of(channel, counts)
        for _ in range(FAILURES_TO_OPEN):
            await gate.admit(waits)
            with pytest.raises(TryAgain):
                await gate.send(delivery())
        assert waits.seconds == []
        assert gate.is_open
        await gate.admit(waits)
        assert waits.seconds != []
        assert gate.is_open  # until the attempt it was admitted for has an answer
        assert await gate.send(delivery()) == "taken"
        assert not gate.is_open

    run(use())
    assert counts.circuits == [False, True, False]
    assert channel.attempts == FAILURES_TO_OPEN + 1


def test_failures_that_others_interrupt_open_nothing() -> None:
    counts = Counts()

    async def use() -> None:
        script: list[Any] = [FAILS, "taken"] * FAILURES_TO_OPEN
        gate = gate_of(Scripted(*script), counts)
        for _ in range(FAILURES_TO_OPEN):
            with pytest.raises(TryAgain):
                await gate.send(delivery())
            await gate.send(delivery())

    run(use())
    assert counts.circuits == [False]


def test_whoever_waits_can_give_up() -> None:
    async def give_up(seconds: float) -> None:
        raise InterruptedError

    async def use() -> None:
        gate = gate_of(Scripted(*[FAILS] * FAILURES_TO_OPEN), Counts())
        for _ in range(FAILURES_TO_OPEN):
            with pytest.raises(TryAgain):
                await gate.send(delivery())
        with pytest.raises(InterruptedError):
            await gate.admit(give_up)

    run(use())


@pytest.mark.parametrize(("rate", "count", "least_s"), [(20.0, 30, 0.4), (2.0, 3, 0.4)])
def test_no_more_than_the_rate_is_let_through(rate: float, count: int, least_s: float) -> None:
    waits = Waits()

    async def use() -> float:
        gate = gate_of(Scripted(), Counts(), rate_per_s=rate)
        began_s = time.monotonic()
        for _ in range(count):
            await gate.admit(waits)
        return time.monotonic() - began_s

    # A second's worth goes at once; the rest takes its time, however fast the machine.
    assert run(use()) >= least_s
    assert waits.seconds != []


def test_a_channel_that_hangs_is_left() -> None:
    class Hangs(Scripted):
        async def send(self, delivery: Delivery) -> str:
            await asyncio.sleep(3_600)
            return "never"

    async def use() -> None:
        with pytest.raises(TryAgain) as failed:
            await gate_of(Hangs(), Counts(), timeout_s=0.05).send(delivery())
        assert failed.value.code == "timeout"

    run(use())
