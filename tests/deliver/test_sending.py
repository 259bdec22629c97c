"""One action's way: every outcome, what counts as an attempt, and what ends it early."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.dead_letters import Reason
from streams.deliver import sending
from streams.deliver.action import Action
from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.gate import FAILURES_TO_OPEN, Gate
from streams.deliver.pending import Pending
from streams.deliver.ports import Mark, Outcome
from streams.deliver.sending import MAX_FAILURES, Sender
from streams.errors import Transient
from tests.deliver.deliveries import (
    CLOCK,
    Counts,
    Known,
    Marks,
    Reports,
    Scripted,
    action,
    recipient,
    run,
)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(sending, "LONGEST_WAIT_S", 0.02)
    monkeypatch.setattr(sending, "JITTER_S", 0.001)
    monkeypatch.setattr(sending, "REDIS_WAIT_S", 0.02)


FAILS = TryAgain("http_503", "HTTP 503: out of order")


@dataclass
class Bench:
    """A sender with one transport for every channel, unless `channels` says otherwise."""

    channel: Scripted = field(default_factory=Scripted)
    people: Known = field(default_factory=lambda: Known(recipient()))
    marks: Marks = field(default_factory=Marks)
    channels: tuple[str, ...] = ("email", "sms", "webhook")
    reports: Reports = field(default_factory=Reports)
    counts: Counts = field(default_factory=Counts)

    def deliver(
        self,
        *actions: Action,
        meanwhile: Callable[[list[Pending]], None] = lambda _: None,
        every_s: float = 0.0,
        after_s: float = 0.05,
    ) -> list[Outcome]:
        """Deliver all of them as one partition, at once or one after the other; what was told."""

        async def all_of_them() -> None:
            gate = Gate(
                "one",
                self.channel,
                rate_per_s=1_000,
                timeout_s=1.0,
                measures=self.counts,
                open_s=1,
            )
            sender = Sender(
                lambda channel: gate if channel in self.channels else None,
                self.people,
                self.marks,
                self.reports,
                CLOCK,
                self.counts,
            )
            slots: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
            pending = [Pending(one, slots, CLOCK) for one in actions]
            tasks = []
            for one in pending:
                tasks.append(asyncio.create_task(sender.deliver(one)))
                await asyncio.sleep(every_s)
            await asyncio.sleep(after_s)
            meanwhile(pending)
            await asyncio.gather(*tasks)

        run(all_of_them())
        assert self.counts.outcomes == self.reports.told
        return self.reports.told


def test_what_the_receiver_takes_is_sent_and_remembered() -> None:
    bench = Bench()
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]
    assert bench.marks.marks == {action().action_id: Mark.DONE}
    (sent,) = bench.channel.sent
    assert (sent.channel, sent.address) == ("email", "anna@customer.example")


def test_what_is_done_is_not_done_again() -> None:
    bench = Bench(marks=Marks(**{action().action_id: Mark.DONE}))
    assert bench.deliver(action()) == []
    assert bench.channel.attempts == 0
    assert bench.counts.kinds == ["known"]


def test_what_was_begun_in_another_life_is_made_again() -> None:
    bench = Bench(marks=Marks(**{action().action_id: Mark.BEGUN}))
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]


def test_an_attempt_is_marked_before_it_is_made() -> None:
    seen: list[Any] = []
    bench = Bench()
    bench.channel = Scripted(lambda: seen.append(dict(bench.marks.marks)))
    bench.deliver(action())
    assert seen == [{action().action_id: Mark.BEGUN}]


def test_failures_are_made_good() -> None:
    bench = Bench(channel=Scripted(FAILS, TryAgain("timeout"), "taken"))
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]
    assert bench.counts.retries == [("one", "http_503"), ("one", "timeout")]


def test_a_receiver_that_takes_others_is_given_up_for_one_action() -> None:
    class Picky(Scripted):
        async def send(self, delivery: Delivery) -> str:
            if delivery.action.action_id == action().action_id:
                self.attempts += 1
                raise FAILS
            return "taken"

    bench = Bench(channel=Picky())
    others = [action(action_id=f"other-{number}") for number in range(60)]
    outcomes = bench.deliver(action(), *others, every_s=0.02)
    (gone,) = [one for one in outcomes if one.outcome == "failed"]
    assert gone.detail == "delivery_gave_up: http_503"
    assert gone.reason == "delivery_gave_up"
    assert gone.dead is not None
    assert gone.dead.reason == Reason.DELIVERY_GAVE_UP
    assert "out of order" in gone.dead.message
    assert bench.channel.attempts == MAX_FAILURES
    assert len(outcomes) == 61


def test_a_receiver_that_takes_nothing_is_waited_for() -> None:
    # Given: as many failures as end an action that others pass by, all in a row.
    bench = Bench(channel=Scripted(*[FAILS] * MAX_FAILURES))
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]
    assert bench.counts.circuits == [False, True, False]


def test_what_the_receiver_refuses_is_a_dead_letter_without_its_words_in_the_outcome() -> None:
    bench = Bench(channel=Scripted(Refused("SMTP 550", "SMTP 550: <anna@customer.example>?")))
    (gone,) = bench.deliver(action())
    assert (gone.channel, gone.outcome) == ("email", "failed")
    assert gone.detail == "delivery_refused: SMTP 550"
    assert gone.dead is not None
    assert "anna" in gone.dead.message
    assert bench.channel.attempts == 1


def test_a_channel_that_raises_anything_does_not_end_the_stage() -> None:
    bench = Bench(channel=Scripted(ValueError("anna@customer.example"), "taken"))
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]
    assert bench.counts.retries == [("one", "error")]


def test_nothing_is_started_after_valid_until() -> None:
    bench = Bench()
    late = action(valid_until_ms=CLOCK.now_ms())
    assert bench.deliver(late) == [Outcome("email", "failed", "expired")]
    assert bench.channel.attempts == 0


def test_a_pause_between_attempts_ends_with_the_validity() -> None:
    bench = Bench(channel=Scripted(TryAgain("http_503", after_s=1_000)))
    short = action(valid_until_ms=CLOCK.now_ms() + 300)
    (gone,) = bench.deliver(short)
    assert gone.detail == "expired: an attempt may have arrived"
    assert gone.reason == "expired"
    assert gone.dead is None
    assert bench.channel.attempts == 1


def test_a_pause_between_attempts_ends_with_a_cancellation() -> None:
    bench = Bench(channel=Scripted(TryAgain("http_503", after_s=1_000)))
    (gone,) = bench.deliver(action(), meanwhile=lambda pending: pending[0].cancel())
    assert gone.detail == "cancelled: an attempt may have arrived"
    assert bench.channel.attempts == 1


def test_a_cancellation_reaches_what_waits_its_turn() -> None:
    waiting = action(action_id="waiting")

    def cancel(pending: list[Pending]) -> None:
        pending[1].cancel()

    bench = Bench(people=Known(recipient(), [Transient("not yet")] * 20))
    outcomes = bench.deliver(action(), waiting, meanwhile=cancel)
    assert sorted(one.detail for one in outcomes) == ["cancelled", "taken"]
    assert bench.channel.attempts == 1


def test_what_is_at_the_receiver_is_not_cancelled_any_more() -> None:
    bench = Bench()

    def cancel_too_late() -> None:
        bench_pending[0].cancel()

    bench_pending: list[Pending] = []
    bench.channel = Scripted(cancel_too_late)

    async def deliver() -> None:
        gate = Gate("one", bench.channel, rate_per_s=10, timeout_s=1, measures=bench.counts)
        sender = Sender(
            lambda channel: gate, bench.people, bench.marks, bench.reports, CLOCK, bench.counts
        )
        bench_pending.append(Pending(action(), defaultdict(asyncio.Lock), CLOCK))
        await sender.deliver(bench_pending[0])

    run(deliver())
    assert bench.reports.told == [Outcome("email", "sent", "taken")]


@pytest.mark.parametrize(
    ("person", "channels", "expected"),
    [
        (recipient(allowed=frozenset()), ("email",), ("email", "consent_withdrawn", None)),
        (recipient(addresses={}), ("email",), ("email", "no_address", Reason.NO_ADDRESS)),
        (
            recipient(erased=True, allowed=frozenset(), addresses={}),
            ("email",),
            ("email", "customer_erased", Reason.CUSTOMER_ERASED),
        ),
        # A webhook needs neither address nor consent, but somebody who exists.
        (
            recipient(erased=True),
            ("webhook",),
            ("webhook", "customer_erased", Reason.CUSTOMER_ERASED),
        ),
        (recipient(), ("push", "post"), ("push", "no_transport", Reason.NO_TRANSPORT)),
        (recipient(), (), ("none", "no_transport", Reason.NO_TRANSPORT)),
    ],
)
def test_who_must_not_or_cannot_be_reached_is_not(
    person: Any, channels: tuple[str, ...], expected: tuple[str, str, Reason | None]
) -> None:
    bench = Bench(people=Known(person))
    (gone,) = bench.deliver(action(channels=channels))
    reason = gone.dead.reason if gone.dead is not None else None
    assert (gone.channel, gone.detail, reason) == expected
    assert gone.outcome == "failed"
    assert bench.channel.attempts == 0


@pytest.mark.parametrize(
    ("person", "taken"),
    [
        (recipient(allowed=frozenset({"email", "sms"}), addresses={"sms": "+491"}), "sms"),
        (recipient(allowed=frozenset({"sms"}), addresses={"email": "a@b", "sms": "+491"}), "sms"),
        (recipient(), "email"),
        (recipient(addresses={}), "webhook"),
    ],
)
def test_the_best_channel_that_is_allowed_and_known_is_taken(person: Any, taken: str) -> None:
    bench = Bench(people=Known(person))
    (gone,) = bench.deliver(action(channels=("push", "email", "sms", "webhook")))
    assert (gone.channel, gone.outcome) == (taken, "sent")


def test_a_customer_who_is_not_known_yet_is_waited_for() -> None:
    people = Known(recipient(), [Transient("Redis is behind")])
    bench = Bench(people=people)
    assert bench.deliver(action()) == [Outcome("email", "sent", "taken")]
    assert bench.counts.retries == [("redis", "lookup")]


def test_consent_is_asked_for_again_after_a_pause() -> None:
    # Given: the receiver is away, the action waits at the gate, and then the customer says no.
    people = Known(recipient())

    def withdraw(_: list[Pending]) -> None:
        people.person = recipient(allowed=frozenset())

    bench = Bench(channel=Scripted(*[FAILS] * FAILURES_TO_OPEN), people=people)
    (gone,) = bench.deliver(action(), meanwhile=withdraw, after_s=0.6)
    assert gone.detail == "consent_withdrawn"
    assert bench.channel.attempts == FAILURES_TO_OPEN
