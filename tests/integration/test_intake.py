"""Intake under the wall clock, on a real broker: the good is journaled once, nothing is lost."""

import ctypes
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

import confluent_kafka
import pytest

from schemas.dead_letters import DeadLetterHeaders, Reason
from schemas.registry import INBOUND
from schemas.topics import TOPIC_BY_NAME
from streams.adapters.kafka.intake_log import KafkaIntakeLog
from streams.adapters.system_clock import SystemClock
from streams.core.inputs import OrderPlaced
from streams.errors import BrokenInvariant, Fenced, UsageError
from streams.intake.build import build_converter, build_intake, intake_settings
from streams.intake.cycle import ORDER, IntakeCycle, Step
from streams.intake.wall_clock import WallClock
from streams.settings import load_settings
from tests.command_line import run_command
from tests.integration.intake_rig import (
    Headers,
    Recorder,
    Rig,
    event_ids,
    order,
    run_dry,
    run_until,
)
from tests.waiting import wait_until

SOURCES = 12  # six public topics of two partitions
MARK = b'{"type":"time.mark","event_id":"m","until":"2026-03-01T00:00:00Z"}'

BAD = [
    ("truncated JSON", order(900)[:-9], Reason.INVALID_JSON),
    ("not JSON", b"<order/>", Reason.INVALID_JSON),
    ("no bytes", b"", Reason.INVALID_JSON),
    ("null value", None, Reason.NULL_VALUE),
    ("invalid UTF-8", order(900, order_id="@").replace(b"@", b"\xff"), Reason.INVALID_UTF8),
    ("wrong type of a field", order(900, items=3), Reason.INVALID_FIELD),
    ("unknown type", order(900, type="order.shipped"), Reason.UNKNOWN_TYPE),
    ("type of another topic", order(900, type="cart.updated"), Reason.WRONG_TOPIC),
    ("field missing", order(900, order_id=...), Reason.MISSING_FIELD),
    ("10 MB", order(900, note="x" * 10_000_000), Reason.TOO_LARGE),
    ("no zone", order(900, occurred_at="2026-03-01T09:30:00"), Reason.INVALID_TIME),
    ("numeric time", order(900, occurred_at=1772357400), Reason.INVALID_TIME),
    ("year 3000", order(900, occurred_at="3000-01-01T00:00:00Z"), Reason.FUTURE_TIME),
    ("year 1", order(900, occurred_at="0001-01-01T00:00:00+05:00"), Reason.INVALID_TIME),
    ("locale money", order(900, total="1.234,56"), Reason.INVALID_MONEY),
    ("underscore", order(900, total="1_000.00"), Reason.INVALID_MONEY),
    ("exponent", order(900, total="1e2"), Reason.INVALID_MONEY),
    ("other digits", order(900, total="\u0661\u0662"), Reason.INVALID_MONEY),
    ("NaN", order(900, total=float("nan")), Reason.INVALID_MONEY),
    ("negative total", order(900, total="-1.00"), Reason.NEGATIVE_AMOUNT),
    ("unknown currency", order(900, currency="XYZ"), Reason.UNKNOWN_CURRENCY),
    ("no rate", order(900, currency="USD"), Reason.NO_EXCHANGE_RATE),
    ("guest", order(900, customer_id="guest"), Reason.GUEST_CUSTOMER),
    ("guest without id", order(900, customer_id=""), Reason.GUEST_CUSTOMER),
    ("empty id", order(900, order_id=""), Reason.INVALID_IDENTIFIER),
    ("10,000 characters", order(900, customer_id="x" * 10_000), Reason.INVALID_IDENTIFIER),
    ("a time mark", MARK, Reason.TIME_MARK_UNDER_WALL_CLOCK),
]


def test_bad_records_become_dead_letters_and_their_neighbours_are_journaled(
    kafka: str, namespace: str
) -> None:
    rig = Rig(kafka, namespace)
    for number, (name, value, _) in enumerate(BAD):
        rig.publish("shop.orders", order(number), partition=0)
        own: Headers = [("x-shop", name.encode()), ("x-null", None)]
        rig.publish("shop.orders", value, key=b"k\xff", headers=own, partition=0)
    rig.flush()
    with rig.intake() as (intake, measures):
        run_dry(intake, 2 * len(BAD))
    assert event_ids(rig.events()) == sorted(f"e-{number}" for number in range(len(BAD)))
    letters = rig.dead_letters()
    assert len(letters) == len(BAD)
    for number, ((name, value, reason), letter) in enumerate(zip(BAD, letters, strict=True)):
        assert letter.value == value
        assert letter.key == b"k\xff"
        assert letter.headers[:2] == [("x-shop", name.encode()), ("x-null", None)]
        said = {key: letter.header(key) for key, _ in letter.headers[2:]}
        headers = DeadLetterHeaders.model_validate(said)
        assert headers.reason == reason, name
        assert (headers.topic, headers.partition) == ("shop.orders", "0")
        assert headers.offset == str(2 * number + 1)
        assert (headers.stage, headers.attempt, headers.truncated) == ("intake", "1", None)
    assert measures.reasons == [reason for _, _, reason in BAD]
    assert measures.ages_s


def test_every_public_topic_is_read_whatever_the_key_and_customers_keep_to_a_partition(
    kafka: str, namespace: str
) -> None:
    rig = Rig(kafka, namespace)
    for number in range(20):
        rig.publish("shop.orders", order(number, customer_id="C"), key=f"k{number}".encode())
    examples = [
        (topic, contract.example())
        for topic, contracts in INBOUND.items()
        for contract in contracts
        if topic != "shop.orders"
    ]
    for topic, fields in examples:
        rig.publish(topic, json.dumps({**fields, "customer_id": "C"}).encode(), key=b"another")
    rig.flush()
    with rig.intake() as (intake, measures):
        run_dry(intake, 20 + len(examples))
        assert intake.cycle.is_ready
    assert measures.reasons == []
    letters = rig.fetch("rfm.journal")
    assert len(letters) == 20 + len(examples)
    assert {letter.partition for letter in letters} == {letters[0].partition}
    assert {letter.key for letter in letters} == {b"C"}


def test_backfill_and_attempt_headers_are_carried_on(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace)
    rig.publish("shop.orders", order(1), headers=[("rfm-backfill", b"true")])
    rig.publish("shop.orders", order(2), headers=[("rfm-backfill", b"no")])
    retried: Headers = [("rfm-backfill", b"true"), ("rfm-attempt", b"3")]
    rig.publish("shop.orders", b"{", headers=retried, partition=0)
    rig.publish("shop.orders", b"{", headers=[("rfm-attempt", b"\xff")], partition=0)
    rig.flush()
    with rig.intake() as (intake, _):
        run_dry(intake, 4)
    assert {event.event_id: event.backfill for event in rig.events()} == {"e-1": True, "e-2": False}
    first, second = rig.dead_letters()
    assert first.headers[:2] == retried
    assert (first.header("dlq.attempt"), second.header("dlq.attempt")) == ("3", "1")


def test_a_record_that_no_longer_fits_is_cut_and_says_so(kafka: str, namespace: str) -> None:
    limit = TOPIC_BY_NAME["dead-letters"].max_message_bytes
    rig = Rig(kafka, namespace)
    value, long_key = b"x" * (limit - 200), b"k" * (limit - 600)
    rig.publish("shop.orders", value, key=b"key", partition=0)
    rig.publish("shop.orders", b"y" * 200, key=long_key, partition=0)
    rig.publish("shop.orders", order(1), partition=0)
    rig.flush()
    with rig.intake() as (intake, _):
        run_dry(intake, 3)
    assert event_ids(rig.events()) == ["e-1"]
    cut, keyless = rig.dead_letters()
    digest = hashlib.sha256(value).hexdigest()
    assert cut.header("dlq.truncated") == f"{len(value)} sha256={digest}"
    assert cut.key == b"key"
    assert cut.value is not None
    assert value.startswith(cut.value)
    assert limit - 2_000 < len(cut.value) < len(value)
    assert (keyless.key, keyless.value) == (None, b"y" * 200)
    assert "left out" in keyless.header("dlq.message")


def publish_with_header_name(rig: Rig, topic: str, value: bytes, name: bytes) -> None:
    """Publish through the client's C library: Python's side of it takes names as text only."""
    package = Path(confluent_kafka.__file__).parent
    (path,) = package.parent.glob("confluent_kafka.libs/librdkafka*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    config, problem = ctypes.c_void_p(library.rd_kafka_conf_new()), ctypes.create_string_buffer(200)
    servers = rig.settings.kafka_bootstrap_servers.encode()
    library.rd_kafka_conf_set(config, b"bootstrap.servers", servers, problem, ctypes.c_size_t(200))
    producer = ctypes.c_void_p(library.rd_kafka_new(0, config, problem, ctypes.c_size_t(200)))
    topic_tag, value_tag, flags_tag, header_tag, end_tag, copy_flag = 1, 4, 7, 9, 0, 2
    size, one = ctypes.c_size_t(len(value)), ctypes.c_ssize_t(1)
    physical = rig.names.topic(topic).encode()
    arguments = [topic_tag, physical, value_tag, value, size, flags_tag, copy_flag]
    assert (
        library.rd_kafka_producev(producer, *arguments, header_tag, name, b"x", one, end_tag) == 0
    )
    assert library.rd_kafka_flush(producer, 30_000) == 0
    library.rd_kafka_destroy(producer)


def test_headers_whose_names_are_not_utf8_do_not_stop_intake(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace)
    for number in range(200):  # long enough for Python to specialise the reading of headers
        rig.publish("shop.orders", order(number), headers=[("x", b"y")])
    rig.flush()
    for _ in range(20):
        publish_with_header_name(rig, "shop.orders", order(999), b"a\xff")
    rig.publish("shop.orders", order(200))
    rig.flush()
    with rig.intake() as (intake, _):
        run_dry(intake, 221)
    assert event_ids(rig.events()) == sorted(f"e-{number}" for number in range(201))
    letters = rig.dead_letters()
    assert len(letters) == 20
    assert {letter.header("dlq.reason") for letter in letters} == {Reason.INVALID_UTF8}
    assert {letter.value for letter in letters} == {order(999)}


class CrashError(Exception):
    """The worker died here."""


def crash_at(step: Step, batch: int) -> Callable[[Step], None]:
    """An observer that raises before a step of the n-th batch (counted by its READ)."""
    batches = count()
    current = 0

    def observe(reached: Step) -> None:
        nonlocal current
        if reached is Step.READ:
            current = next(batches)
        if reached is step and current >= batch:
            raise CrashError

    return observe


def test_a_crash_before_any_step_loses_and_doubles_nothing(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace, max_batch_records=10)
    good, bad = 0, 0
    for step in ORDER:
        for _ in range(25):
            rig.publish("shop.orders", order(good))
            good += 1
        for _ in range(5):
            rig.publish("shop.carts", b"{%d" % bad)
            bad += 1
        rig.flush()
        with rig.intake(observe=crash_at(step, 1)) as (intake, _), pytest.raises(CrashError):
            run_until(intake, lambda: False, f"it crashed at {step}")
    with rig.intake() as (intake, measures):
        run_until(
            intake,
            lambda: measures.has_read_all(SOURCES),
            "everything was read",
        )
    assert event_ids(rig.events()) == sorted(f"e-{number}" for number in range(good))
    values = sorted(letter.value or b"" for letter in rig.dead_letters())
    assert values == sorted(b"{%d" % number for number in range(bad))


def test_an_order_of_steps_that_forgets_the_positions_doubles_records(
    kafka: str, namespace: str
) -> None:
    """The judge of the tests above finds what it is there to find."""
    rig = Rig(kafka, namespace)
    for number in range(20):
        rig.publish("shop.orders", order(number))
    rig.flush()
    settings = rig.settings
    order_of_steps = [step for step in ORDER if step is not Step.POSITIONS]
    for _ in range(2):
        log = KafkaIntakeLog(settings.kafka_config(), rig.names, "a")
        cycle = IntakeCycle(
            log,
            WallClock(build_converter(settings)),
            SystemClock(),
            Recorder(),
            intake_settings(settings),
            order=order_of_steps,
        )
        taken = 0
        while taken < 20:
            taken += cycle.run_once()
        log.close()
    assert event_ids(rig.events()) == sorted([f"e-{number}" for number in range(20)] * 2)


def orders_taken(measures: Recorder) -> list[int]:
    """Up to where the orders are committed, by partition."""
    return [at for (topic, _), at in sorted(measures.positions.items()) if topic == "shop.orders"]


def test_what_ends_a_shops_transaction_is_nothing_unread(
    kafka: str, redis_url: str, namespace: str
) -> None:
    """A shop that publishes in transactions leaves an offset behind its records that is none."""
    rig = Rig(kafka, namespace)
    shop = confluent_kafka.Producer(
        {"bootstrap.servers": kafka, "transactional.id": f"{namespace}.shop"}
    )
    shop.init_transactions(30)
    shop.begin_transaction()
    for partition in range(2):
        shop.produce(rig.names.topic("shop.orders"), order(partition), partition=partition)
    shop.commit_transaction(30)
    with rig.intake() as (intake, measures):
        # The commit's answer may come before its markers: until then the records are not there.
        run_until(intake, lambda: orders_taken(measures) == [1, 1], "the orders are taken")
        run_until(intake, lambda: measures.has_read_all(SOURCES), "nothing is unread")
        assert orders_taken(measures) == [1, 1]
    environment = {
        "RFM_NAMESPACE": namespace,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_PARTITIONS": "2",
    }
    status = json.loads(run_command(environment, "status", "--json").out)
    assert {one["lag"] for one in status["intake"]} == {0}
    members = run_command(environment, "status").out
    assert re.search(rf"{namespace}.rfm.decide.g1\s+\S+\s+nobody", members), members


def test_workers_share_the_sources_and_take_over_without_loss(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace, max_batch_records=7)
    numbers = count()

    def publish(records: int) -> None:
        for number in itertools.islice(numbers, records):
            topic, contracts = list(INBOUND.items())[number % len(INBOUND)]
            message = {**contracts[0].example(), "event_id": f"e-{number}"}
            partition = number // len(INBOUND) % 2
            rig.publish(topic, json.dumps(message).encode(), partition=partition)
        rig.flush()

    publish(100)
    with rig.intake("a") as (first, told_first):
        run_until(first, lambda: len(first.cycle.owned) == SOURCES, "the first worker owned all")
        with rig.intake("b") as (second, told):

            def both() -> bool:
                first.cycle.run_once()
                second.cycle.run_once()
                return len(first.cycle.owned) == len(second.cycle.owned) == 6

            wait_until(both, 60, "the workers shared the sources")
            assert not first.cycle.owned & second.cycle.owned
            publish(100)
            wait_until(lambda: both() and sum(told.batches) > 0, 60, "the second one worked")
        # The second is gone without a word. Its place is kept for it until the session ends.
        publish(100)
        run_until(first, lambda: len(first.cycle.owned) == SOURCES, "the first worker took over")
        run_until(first, lambda: told_first.has_read_all(SOURCES), "everything was read")
    assert event_ids(rig.events()) == sorted(f"e-{number}" for number in range(300))


def test_a_second_life_fences_the_first(kafka: str, namespace: str) -> None:
    rig = Rig(kafka, namespace)
    with rig.intake("a") as (old, told):
        run_until(
            old, lambda: old.cycle.is_ready and len(old.cycle.owned) == SOURCES, "it was ready"
        )
        with rig.intake("a") as (new, _):
            rig.publish("shop.orders", order(1))
            rig.flush()
            run_dry(new, 1)
            with pytest.raises(Fenced):
                run_until(old, lambda: False, "the old one was fenced")
            assert told.fences == 1
    assert event_ids(rig.events()) == ["e-1"]


class ShiftedClock(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, by_ms: int) -> None:
        self._by_ms = by_ms

    def now_ms(self) -> int:
        return super().now_ms() + self._by_ms


@pytest.mark.parametrize(("by_ms", "said"), [(60_000, "ahead of"), (-60_000, "behind")])
def test_a_clock_that_is_wrong_stops_intake_before_anything_is_journaled(
    kafka: str, namespace: str, by_ms: int, said: str
) -> None:
    rig = Rig(kafka, namespace)
    rig.publish("shop.orders", order(1))
    rig.flush()
    log = KafkaIntakeLog(rig.settings.kafka_config(), rig.names, "a")
    cycle = IntakeCycle(
        log,
        WallClock(build_converter(rig.settings)),
        ShiftedClock(by_ms),
        Recorder(),
        intake_settings(rig.settings),
    )
    with pytest.raises(BrokenInvariant, match=said):
        wait_until(lambda: cycle.run_once() > 0, 60, "the clock was checked")
    log.close()
    assert rig.events() == []
    with rig.intake() as (intake, _):
        run_dry(intake, 1)
    (entry,) = rig.events()
    assert isinstance(entry, OrderPlaced)
    (letter,) = rig.fetch("rfm.journal")
    assert abs(entry.received_at_ms - letter.timestamp_ms) < 5_000


def test_missing_topics_are_said_with_the_remedy(kafka: str, namespace: str) -> None:
    settings = load_settings(kafka_bootstrap_servers=kafka, namespace=namespace)
    with pytest.raises(UsageError, match="topics create"):
        build_intake(settings, "a", Recorder())
