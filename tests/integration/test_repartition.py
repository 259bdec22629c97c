"""More partitions in the middle of life, on real servers: killed at every step, and never told apart.

Under the event clock two lives over the same events say the same, to the byte. One of them is moved
from three partitions to seven while carts wait, merges are under way and duplicates are to come.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
from confluent_kafka import Consumer, Producer, murmur2

from streams.adapters.kafka import transactions
from streams.adapters.kafka.intake_log import PUBLIC_TOPICS
from streams.bootstrap import (
    build_decider,
    build_rules_log,
    build_store,
    ensure_rules,
    names_of,
)
from streams.codec.generations import MARK_KEY, GenerationMark, Stage, encode_mark
from streams.codec.journal import encode_input
from streams.core.inputs import CustomerMoved, GenerationBegun, OrderPlaced
from streams.errors import Fenced, UnknownOutcome, UsageError
from streams.intake.build import build_intake
from streams.repartition import filling, old_generation
from streams.repartition.moving import Repartition
from streams.repartition.steps import Step
from streams.settings import Settings
from tests.command_line import Unmeasured, decide_all, run_command
from tests.integration.intake_rig import Recorder, Rig, run_until
from tests.integration.test_intake_event_clock import instant
from tests.waiting import wait_until

BEFORE, AFTER = 3, 7
SOURCES = BEFORE * len(PUBLIC_TOPICS)
CUSTOMERS = 40
MOVED_AT, END_AT = 1_040, 9_000
CAMPAIGN = """
name: cart_reminder
version: 1
priority: 10
channels: [email]
trigger: {event: cart.abandoned, causes: [event, clock]}
max_start_delay: 4h
guard: {actions: 100000, per: 1h, share: 100%}
steps:
  - {name: first, after: 1h, template: cart_reminder_first, valid_for: 12h}
  - {name: second, after: 24h, template: cart_reminder_second, valid_for: 12h}
"""
POLICY = """
caps:
  - {actions: 10, per: 1d}
quiet_hours: none
holdout: 5%
seasons: [3, 4]
mutes: []
offers:
  classes: {}
  floor: 0%
"""


class CrashError(Exception):
    """The command was killed here."""


class Life:
    """One namespace under the event clock; `go_on` takes in and decides all that was published."""

    def __init__(self, kafka: str, redis_url: str, namespace: str, rules: Path) -> None:
        self._kafka = kafka
        self._overrides = {
            "clock": "event",
            "redis_url": redis_url,
            "rules_dir": rules,
            "schemes": "rfm",
            "leave_on_stop": True,
            "recency_limits_days": ["0.5", "1", "2", "4"],
        }
        self.namespace = namespace
        self.rig = self._rig(BEFORE, 1)

    def _rig(self, partitions: int, generation: int) -> Rig:
        rig = Rig(
            self._kafka,
            self.namespace,
            partitions=partitions,
            generation=generation,
            **self._overrides,
        )
        ensure_rules(rig.settings)
        return rig

    @property
    def settings(self) -> Settings:
        return self.rig.settings

    def move(self) -> None:
        """Live on in the generation with more partitions."""
        self.rig = self._rig(AFTER, 2)

    def publish(self, topic: str, kind: str, number: int, minute: float, **fields: object) -> None:
        """One event of customer `number`."""
        name = f"{kind}-{number}-{minute}"
        event = {
            "event_id": name,
            "type": kind,
            "customer_id": f"C-{number}",
            "occurred_at": instant(minute),
            **fields,
        }
        self.rig.publish(topic, json.dumps(event).encode(), key=f"C-{number}".encode())

    def order(self, number: int, minute: float) -> None:
        self.publish(
            "shop.orders", "order.placed", number, minute,
            order_id=f"O-{number}-{minute}", currency="EUR", total=f"{50 + 7 * number}.00",
        )  # fmt: skip

    def go_on(self, until: int) -> None:
        """Mark the time in every source, take everything in, then decide it."""
        mark = {"type": "time.mark", "event_id": f"m-{until}", "until": instant(until)}
        for topic in PUBLIC_TOPICS:
            for partition in range(BEFORE):
                self.rig.publish(topic, json.dumps(mark).encode(), partition=partition)
        self.rig.flush()
        with self.rig.intake() as (intake, measures):
            run_until(intake, lambda: measures.has_read_all(SOURCES), "everything was read")
            for _ in range(20):
                intake.cycle.run_once()
        assert measures.reasons == []
        decide_all(self.settings)

    def said(self, topic: str) -> dict[bytes | None, list[bytes | None]]:
        """What subscribers read, by customer, in order."""
        found: dict[bytes | None, list[bytes | None]] = defaultdict(list)
        for letter in self.rig.fetch(topic):
            found[letter.key].append(letter.value)
        return dict(found)

    def states(self) -> dict[str, bytes]:
        """Every customer in Redis."""
        store = build_store(self.settings)
        return {
            customer_id: state
            for number in range(self.settings.partitions)
            for customer_id, state in store.scan(number)
        }


def live_until_the_move(life: Life) -> None:
    for number in range(CUSTOMERS):
        life.publish(
            "shop.customers", "consent.changed", number, number, channel="email", granted=True
        )
        life.order(number, 100 + number)
        if number % 3 == 0:
            life.order(number, 300 + number)
    for number in range(20):
        life.publish(
            "shop.carts", "cart.updated", number, 1_000 + number,
            cart_id=f"K-{number}", currency="EUR", value="80.00",
            items=[{"sku": "S", "quantity": 1, "unit_price": "80.00"}],
        )  # fmt: skip
    life.publish("shop.customers", "customer.erased", 25, 1_021)
    life.publish("shop.customers", "customer.merged", 3, 1_022, into_customer_id="C-30")
    life.go_on(MOVED_AT)


def live_on(life: Life) -> None:
    for number in range(CUSTOMERS):
        life.order(number, 100 + number)  # told again, by its old id
    for number in range(0, 20, 4):
        life.order(number, 1_050 + number)  # these carts were bought
    life.order(3, 1_055)  # merged before the move, so it goes on to another customer
    life.publish("shop.customers", "customer.merged", 7, 1_056, into_customer_id="C-31")
    life.order(99, 1_057)
    life.go_on(END_AT)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "cart_reminder.yaml").write_text(CAMPAIGN)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move a handful of customers at a time, and wait for no more."""
    monkeypatch.setattr(filling, "MAX_CUSTOMERS", 7)
    monkeypatch.setattr(old_generation, "_WAIT_S", 0.02)


def crash_at(settings: Settings, wanted: Step, times: int = 1) -> None:
    """Run the move up to right before a step, for the `times`-th time."""
    left = times

    def observe(step: Step) -> None:
        nonlocal left
        left -= step is wanted
        if step is wanted and left == 0:
            raise CrashError

    repartition = Repartition(settings, AFTER, observe)
    try:
        with pytest.raises(CrashError):
            repartition.run()
    finally:
        repartition.close()


@pytest.mark.usefixtures("quick")
def test_a_life_that_is_moved_says_what_it_would_have_said(
    kafka: str, redis_url: str, namespace: str, rules: Path
) -> None:
    stayed = Life(kafka, redis_url, f"{namespace}s", rules)
    live_until_the_move(stayed)
    moved = Life(kafka, redis_url, f"{namespace}m", rules)
    live_until_the_move(moved)
    assert moved.states() == stayed.states()

    old = moved.settings
    for step in (Step.CHECK, Step.READ, Step.TOPICS, Step.MARK, Step.CHECK_AGAIN, Step.BEGIN):
        crash_at(old, step)
    crash_at(old, Step.CUSTOMERS)
    crash_at(old, Step.CUSTOMERS, times=3)
    crash_at(old, Step.WIPE)
    with pytest.raises(UsageError, match=r"being moved to generation 2.*--partitions 7"):
        ensure_rules(old)
    with pytest.raises(UsageError, match=r"being filled from generation 1.*RFM_PARTITIONS=3"):
        build_rules_log(old.model_copy(update={"generation": 2})).check_open()
    crash_at(old, Step.OPEN)
    assert Repartition(old, AFTER).run().is_done is False
    assert Repartition(old, AFTER).run().is_done is True
    with pytest.raises(UsageError, match=r"RFM_GENERATION=2 and RFM_PARTITIONS=7"):
        ensure_rules(old)

    moved.move()
    journal = moved.rig.fetch("rfm.journal")
    begun = [one for one in moved.rig.journal() if isinstance(one, GenerationBegun)]
    taken = [one.customer_id for one in moved.rig.journal() if isinstance(one, CustomerMoved)]
    assert len(begun) == AFTER
    assert sorted(taken) == sorted(stayed.states()), "everybody once, however often it was killed"
    assert {one.partition for one in journal} == set(range(AFTER))
    decide_all(moved.settings)
    assert moved.states() == stayed.states()

    live_on(stayed)
    live_on(moved)
    again = [one.event_id for one in moved.rig.events() if "consent" in one.event_id]
    assert again == [], "intake goes on where it was, and takes nothing in twice"
    assert moved.states() == stayed.states()
    for topic in ("segment-changes", "marketing.actions", "campaign.outcomes", "dead-letters"):
        assert moved.said(topic) == stayed.said(topic), topic
    actions = [
        json.loads(one or b"") for all_ in moved.said("marketing.actions").values() for one in all_
    ]
    reminders = [one for one in actions if one["type"] == "action.requested"]
    assert {one["step"] for one in reminders} == {"first", "second"}
    assert len({one["action_id"] for one in reminders}) == len(reminders)


@pytest.mark.usefixtures("quick")
def test_who_starts_with_the_old_settings_is_stopped_before_anything_is_read(
    kafka: str, redis_url: str, namespace: str, rules: Path
) -> None:
    life = Life(kafka, redis_url, namespace, rules)
    life.order(1, 1)
    life.go_on(10)
    old = life.settings
    Repartition(old, AFTER).run()

    life.order(2, 20)  # which an intake of before would take in
    life.rig.flush()
    # As a supervisor starts one that died, without looking at the rules first.
    decider = build_decider(old, "late", Unmeasured())
    intake = build_intake(old, "late", Recorder())
    with pytest.raises(UsageError, match="RFM_GENERATION=2"):
        wait_until(lambda: decider.cycle.run_once() < 0, 60, "the decider stopped")
    with pytest.raises(UsageError, match="RFM_GENERATION=2"):
        wait_until(lambda: intake.cycle.run_once() < 0, 60, "the intake stopped")
    decider.close()
    intake.close()
    assert [one.customer_id for one in life.rig.events()] == ["C-1"]


def run_with(settings: Settings, at: Step, between: Callable[[], object]) -> Repartition:
    """A move in which something else happens right before a step, once."""
    waiting = [between]

    def observe(step: Step) -> None:
        if step is at and waiting:
            waiting.pop()()

    return Repartition(settings, AFTER, observe)


@pytest.fixture
def rested(kafka: str, redis_url: str, namespace: str, rules: Path) -> Settings:
    """An installation of some customers, at rest."""
    life = Life(kafka, redis_url, namespace, rules)
    for number in range(30):
        life.order(number, number)
    life.go_on(100)
    return life.settings


def ahead_of(settings: Settings) -> Settings:
    return settings.model_copy(update={"generation": 2, "partitions": AFTER})


@pytest.mark.usefixtures("quick")
def test_a_run_that_was_overtaken_moves_nobody_again(rested: Settings) -> None:
    """Given two runs that looked at the same time; then the slower one finds the move finished."""
    slower = run_with(rested, Step.MARK, lambda: Repartition(rested, AFTER).run())
    with pytest.raises(UsageError, match="another run of this command"):
        slower.run()
    with pytest.raises(UsageError, match=r"RFM_GENERATION=2 and RFM_PARTITIONS=7"):
        ensure_rules(rested)
    build_rules_log(ahead_of(rested)).check_open()


@pytest.mark.usefixtures("quick")
def test_a_new_generation_in_which_somebody_lives_is_left_alone(rested: Settings) -> None:
    """Given a process that was started too early; then nothing is moved, and the old one lives on."""
    early = run_with(rested, Step.MARK, lambda: ensure_rules(ahead_of(rested)))
    with pytest.raises(UsageError, match="a process was started"):
        early.run()
    assert build_rules_log(rested).read().mark is None
    decide_all(rested)


@pytest.mark.usefixtures("quick")
def test_members_of_the_new_generation_are_seen_behind_the_mark(rested: Settings) -> None:
    names = names_of(ahead_of(rested))
    member = Consumer(
        {"bootstrap.servers": rested.kafka_bootstrap_servers, "group.id": names.group("intake")}
    )

    def join() -> None:
        member.subscribe([names.topic("shop.orders")])
        wait_until(lambda: member.poll(0.1) is None and bool(member.assignment()), 30, "it joined")

    try:
        with pytest.raises(UsageError, match=r"a process was started under RFM_GENERATION=2"):
            run_with(rested, Step.CHECK_AGAIN, join).run()
    finally:
        member.close()
    assert build_rules_log(rested).read().mark is None


@pytest.mark.usefixtures("quick")
def test_who_slips_in_between_the_looks_keeps_the_move_from_its_end(rested: Settings) -> None:
    """Given a member of the old generation at the last step; then the move waits for its end."""
    member = Consumer(
        {
            "bootstrap.servers": rested.kafka_bootstrap_servers,
            "group.id": names_of(rested).group("deliver"),
        }
    )

    def join() -> None:
        member.subscribe([names_of(rested).topic("marketing.actions")])
        wait_until(lambda: member.poll(0.1) is None and bool(member.assignment()), 30, "it joined")

    try:
        with pytest.raises(UsageError, match=r"processes are running \(deliver: 1\)"):
            run_with(rested, Step.OPEN, join).run()
    finally:
        member.close()
    assert Repartition(rested, AFTER).run().begun is not None
    build_rules_log(ahead_of(rested)).check_open()


def test_a_mark_that_is_being_committed_is_waited_for(rested: Settings) -> None:
    """Given a mark that cannot be read yet; when a worker looks; then it does not pass by."""
    log = build_rules_log(rested)
    producer = log.open_producer()
    try:
        producer.begin()
        moving = encode_mark(GenerationMark(Stage.MOVING, 2, AFTER))
        producer.publish(names_of(rested).topic("rfm.rules"), MARK_KEY, moving, (), 0)
        producer.flush()
        assert log.read().mark is None
        committing = Timer(1.0, producer.commit)
        committing.start()
        with pytest.raises(UsageError, match="is being moved to generation 2"):
            log.check_open()
        committing.join()
    finally:
        producer.close()


@pytest.mark.usefixtures("quick")
def test_events_taken_in_between_the_looks_are_not_left_behind(rested: Settings) -> None:
    """Given a record that comes into the old journal at the last step; then nothing is opened."""
    names = names_of(rested)

    def slip_in() -> None:
        producer = Producer({"bootstrap.servers": rested.kafka_bootstrap_servers})
        order = OrderPlaced(
            event_id="late", customer_id="C-1", occurred_at_ms=1, received_at_ms=1, identity=1,
            source="shop.orders", order_id="late", total_minor=1,
        )  # fmt: skip
        producer.produce(
            names.topic("rfm.journal"), encode_input(order), partition=murmur2(b"C-1", BEFORE)
        )
        assert producer.flush(30) == 0

    with pytest.raises(UsageError, match=r"out of date: give it up with .*--abandon"):
        run_with(rested, Step.OPEN, slip_in).run()
    assert Repartition(rested, AFTER).abandon() is True
    decide_all(rested)
    assert Repartition(rested, AFTER).run().is_done is False


@pytest.mark.usefixtures("quick")
def test_a_move_goes_on_only_from_where_it_was_begun(rested: Settings) -> None:
    """Given a move of another state of affairs; then the rest is not put behind it."""
    crash_at(rested, Step.CUSTOMERS, times=2)
    ahead = build_rules_log(ahead_of(rested))
    mark = ahead.read().mark
    assert mark is not None and len(mark.positions) == BEFORE
    producer = ahead.open_producer()
    producer.begin()
    other = encode_mark(mark._replace(positions=(0, 0, 0)))
    producer.publish(names_of(ahead_of(rested)).topic("rfm.rules"), MARK_KEY, other, (), 0)
    producer.commit()
    producer.close()
    with pytest.raises(UsageError, match="out of date"):
        Repartition(rested, AFTER).run()


@pytest.mark.usefixtures("quick")
def test_a_run_under_way_is_ended_before_its_work_is_given_up(
    rested: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a move that is at work; when another process gives it up; then it cannot go on."""
    monkeypatch.setattr(transactions, "_TIMEOUT_S", 3.0)  # which a producer without topics waits
    # Its producer is another's by then, or its topics are gone, whichever it meets first.
    with pytest.raises((Fenced, UnknownOutcome)):
        run_with(rested, Step.CUSTOMERS, lambda: Repartition(rested, AFTER).abandon()).run()
    assert build_rules_log(rested).read().mark is None
    decide_all(rested)
    assert Repartition(rested, AFTER).run().is_done is False


@pytest.mark.usefixtures("quick")
def test_topics_that_nobody_used_are_given_up_too(rested: Settings) -> None:
    """Given a move that was killed before its mark; then it can be begun with another number."""
    crash_at(rested, Step.MARK)
    other = Repartition(rested, AFTER + 1)
    with pytest.raises(UsageError, match=r"has 7 partitions already.*--abandon"):
        other.run()
    assert other.abandon() is True
    assert other.abandon() is False
    assert other.run().partitions == AFTER + 1


@pytest.mark.usefixtures("quick")
def test_the_command_says_what_to_do_first_and_can_be_given_up(
    kafka: str, redis_url: str, namespace: str, rules: Path
) -> None:
    life = Life(kafka, redis_url, namespace, rules)
    environment = {
        "RFM_NAMESPACE": namespace,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": str(BEFORE),
        "RFM_CLOCK": "event",
    }

    def command(*arguments: str) -> tuple[int, str]:
        ran = run_command(environment, "repartition", *arguments)
        return ran.code, ran.out + ran.err

    for number in range(30):
        life.order(number, number)
    life.rig.flush()
    with life.rig.intake() as (intake, measures):
        run_until(intake, lambda: measures.has_read_all(SOURCES), "everything was read")
        for _ in range(20):
            intake.cycle.run_once()
        code, said = command("--partitions", "7", "--yes")
        assert code == 2 and "processes are running (intake: 1)" in said and "10 s" in said
    code, said = command("--partitions", "7", "--yes")
    assert code == 2 and "not decided" in said and "run decide" in said

    decide_all(life.settings)
    assert command("--partitions", "3", "--yes")[0] == 2
    code, said = command("--partitions", "7", "--dry-run")
    assert code == 0 and "nothing was changed" in said
    assert ["customers", "30"] in [line.split() for line in said.splitlines()]
    assert build_rules_log(life.settings).read().mark is None

    crash_at(life.settings, Step.CUSTOMERS, times=2)
    code, said = command("--partitions", "5", "--yes")
    assert code == 2 and "--partitions 7" in said and "--abandon" in said
    code, said = command("--abandon", "--yes")
    assert code == 0 and "goes on as it stood" in said
    decide_all(life.settings)
    assert command("--abandon", "--yes")[1].endswith("no move was begun; nothing was changed\n")

    code, said = command("--partitions", "5", "--yes")
    assert code == 0 and "RFM_GENERATION=2 and RFM_PARTITIONS=5" in said
    assert "moved already" in command("--partitions", "5", "--yes")[1]
