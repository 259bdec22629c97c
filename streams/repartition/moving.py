"""`rfm-streams repartition`: every customer into a new generation with another number of partitions.

The old generation is marked first, so that nobody begins to work in it, and read from `rfm.state`.
The new journal begins with how its partitions stand and with every customer, in bounded transactions
that also say how far they are: a run that was killed goes on behind the last one. One last
transaction, with the positions of intake and deliver in it, makes the new generation the open one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition, murmur2
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.adapters.kafka.config import reader_config
from streams.adapters.kafka.rules_log import RULES, KafkaRulesLog, Standing
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import build_rules_log, build_store, ensure_topics, names_of
from streams.codec.generations import (
    MARK_KEY,
    GenerationMark,
    Stage,
    encode_mark,
    require_open,
)
from streams.codec.journal import encode_input
from streams.codec.partition import RULES_KEY, RulesRecord, encode_rules
from streams.core.inputs import CustomerMoved, GenerationBegun
from streams.errors import Transient, UsageError
from streams.repartition.beginning import plan_beginning
from streams.repartition.old_generation import Moving, OldGeneration, OldPartition
from streams.settings import Settings

Answer = TypeVar("Answer")
JOURNAL: Final = "rfm.journal"
STATE: Final = "rfm.state"
# One transaction's worth: well within its time-out, and little to say again after a kill.
MAX_CUSTOMERS: Final = 2_000
MAX_BYTES: Final = 4 * 1024 * 1024
_TIMEOUT_S: Final = 10.0
_GONE_S: Final = 30.0
_AGAIN_S: Final = 0.1
# Whose positions go with the generation, and in which topics.
_CARRIED: Final[dict[str, tuple[str, ...]]] = {
    "intake": tuple(topic.name for topic in TOPICS if topic.role == "public"),
    "deliver": ("marketing.actions",),
    "retry": ("dead-letters",),
}


class Step(StrEnum):
    """The steps of a repartition, in their order."""

    CHECK = "check"
    READ = "read"
    TOPICS = "topics"
    MARK = "mark"
    CHECK_AGAIN = "check_again"
    BEGIN = "begin"
    CUSTOMERS = "customers"
    WIPE = "wipe"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Reading:
    """The old generation as it was read: its partitions, the beginnings of the new ones, the rules."""

    partitions: list[OldPartition]
    beginnings: list[GenerationBegun]
    rules: RulesRecord

    @property
    def customers(self) -> int:
        """How many there are."""
        return sum(len(one.offsets) for one in self.partitions)

    @property
    def time_ms(self) -> int:
        """The time at which the new partitions begin."""
        return self.beginnings[0].received_at_ms


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be done. `begun` says that an earlier run was killed in the middle of it.

    `is_done`: this very move is finished, and there is nothing left to do.
    """

    generation: int
    partitions: int
    is_done: bool = False
    begun: GenerationMark | None = None


Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much."""


def _unobserved(step: Step) -> None:
    """Let every step pass."""


def _untold(doing: str, done: int, of: int) -> None:
    """Tell nobody."""


class Repartition:
    """One move. Close it after use; every method may be called again after a failure."""

    def __init__(
        self,
        settings: Settings,
        partitions: int,
        observe: Callable[[Step], None] = _unobserved,
        told: Progress = _untold,
    ) -> None:
        self._settings = settings
        self._new_settings = settings.model_copy(
            update={"generation": settings.generation + 1, "partitions": partitions}
        )
        self._base = settings.kafka_config()
        self._names, self._new_names = names_of(settings), names_of(self._new_settings)
        self._partitions = partitions
        self._observe, self._told = observe, told
        self._rules_log = build_rules_log(settings)
        self._admin = AdminClient(self._base)
        self._old = OldGeneration(settings)

    def close(self) -> None:
        """Close the connections."""
        self._old.close()

    def look(self) -> Outlook:
        """See what there is to do, and that it can be done; changes nothing.

        Raises `UsageError`, saying what to do first.
        """
        generation = self._new_settings.generation
        mark = self._rules_log.read().mark
        if mark is not None and mark.stage is Stage.MOVED and mark.partitions == self._partitions:
            return Outlook(generation, self._partitions, is_done=True)
        if mark is None or mark.stage is not Stage.MOVING:
            require_open(self._settings.generation, mark)
        elif mark.partitions != self._partitions:
            raise UsageError(
                f"a move to {mark.partitions} partitions has begun: finish it with --partitions "
                f"{mark.partitions}, or give it up with `rfm-streams repartition --abandon`"
            )
        if self._partitions == self._settings.partitions:
            raise UsageError(f"--partitions {self._partitions}: there are so many already")
        begun = self._look_ahead(is_marked=mark is not None and mark.stage is Stage.MOVING)
        self._old.require_rest()
        return Outlook(generation, self._partitions, begun=begun)

    def read(self) -> Reading:
        """Read the old generation whole, but for the states themselves; changes nothing.

        Raises `UsageError` where its partitions do not stand at one place.
        """
        partitions: list[OldPartition] = []
        for number in range(self._settings.partitions):
            partitions.append(self._old.read(number))
            self._told("Reading", number + 1, self._settings.partitions)
        stood = [one.stood for one in partitions if one.stood is not None]
        beginnings = plan_beginning(stood, self._partitions)
        rules = self._rules_log.load()
        if rules is None or rules.version != beginnings[0].rules_version:
            raise UsageError(
                f"rules version {rules.version if rules else 0} is not decided by yet: start "
                "`rfm-streams run decide` until `rfm-streams status` shows no lag, stop it "
                "and try again"
            )
        return Reading(partitions, beginnings, rules)

    def spread(self, reading: Reading) -> list[int]:
        """How many customers each new partition will have."""
        counts = Counter(
            murmur2(one.customer_id.encode(), self._partitions)
            for partition in reading.partitions
            for one in self._old.customers(partition)
        )
        return [counts[number] for number in range(self._partitions)]

    def run(self) -> Outlook:
        """Do it, or what is left of it; raises where it cannot be done, and may be run again."""
        self._observe(Step.CHECK)
        outlook = self.look()
        if outlook.is_done:
            return outlook
        self._observe(Step.READ)
        reading = self.read()
        self._observe(Step.TOPICS)
        ensure_topics(self._new_settings)
        self._observe(Step.MARK)
        if outlook.begun is None:
            self._mark()
        self._observe(Step.CHECK_AGAIN)
        self._check_again(reading)
        producer = TransactionalProducer(
            self._base, self._names.transactional_id("repartition", "all")
        )
        try:
            # Read under the id: what an earlier run left open has an end now.
            begun = self._new_standing().mark
            if begun is None or not _is_from(begun, self._settings):
                raise UsageError(
                    "another run of this command has finished or given up this move meanwhile: "
                    "`rfm-streams repartition --dry-run` says how things stand"
                )
            if begun.source < 0:
                self._observe(Step.BEGIN)
                begun = self._begin(producer, reading)
            self._move(producer, reading, begun)
            self._observe(Step.WIPE)
            self._wipe()
            self._observe(Step.OPEN)
            self._open(producer)
        finally:
            producer.close()
        return outlook

    def abandon(self) -> bool:
        """Give up a move that is not finished; False where there is none.

        The old generation goes on as it stood. Nobody ever decided anything in the new one, so its
        topics are deleted.
        """
        is_marked = self._is_marked()
        if not is_marked:
            self._rules_log.check_open()
        topics = self._list_topics()
        named = [self._new_names.topic(name) for name in (JOURNAL, STATE, RULES)]
        ours = self._new_names.topic(RULES) in topics and _is_from(
            self._new_standing().mark, self._settings
        )
        if not is_marked and not ours:
            return False
        self._delete([name for name in named if name in topics])
        self._unmark()
        return True

    # -- before anything changes -----------------------------------------------------------------

    def _look_ahead(self, *, is_marked: bool) -> GenerationMark | None:
        """See that the new generation is nobody's, or as an earlier run left it."""
        generation, topics = self._new_settings.generation, self._list_topics()
        journal = self._new_names.topic(JOURNAL)
        if journal in topics and topics[journal] != self._partitions:
            raise UsageError(
                f"generation {generation} has {topics[journal]} partitions already: run this with "
                f"--partitions {topics[journal]}, or remove it with `rfm-streams repartition --abandon`"
            )
        if self._new_names.topic(RULES) not in topics:
            return None
        standing = self._new_standing()
        if _is_from(standing.mark, self._settings):
            if not is_marked and standing.mark is not None and standing.mark.source >= 0:
                raise UsageError(
                    f"generation {generation} holds part of an earlier move, which this one has "
                    "outlived: remove it with `rfm-streams repartition --abandon`, then run this again"
                )
            return standing.mark if is_marked else None
        if standing != Standing() or (journal in topics and self._has_life(journal)):
            raise UsageError(
                f"generation {generation} has a life of its own: `rfm-streams status` under "
                f"RFM_GENERATION={generation} shows it. Customers move into an empty one only: delete "
                f"its topics ({journal} and its siblings) if nobody needs them"
            )
        return None

    def _has_life(self, journal: str) -> bool:
        log = KafkaStateLog(self._base, journal)
        try:
            return any(_patiently(partial(log.end, one)) for one in range(self._partitions))
        finally:
            log.close()

    def _check_again(self, reading: Reading) -> None:
        """Look once more behind the mark: whoever joined before it is seen, who comes later sees it."""
        try:
            _require_same(reading, self._old.require_rest())
        except UsageError:
            begun = self._new_standing().mark
            if begun is not None and begun.source < 0 and _is_from(begun, self._settings):
                # Somebody was faster than the mark. Nothing has moved, so they may go on.
                self._unmark()
            raise

    # -- the move --------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Close the old generation for everybody, and the new one until it is filled."""
        # Under the id by which rules are journaled: none come in between.
        producer = self._rules_log.open_producer()
        try:
            # Read again under the id: another run may have been faster, and be far by now.
            if self._is_marked() and _is_from(self._new_standing().mark, self._settings):
                return
            producer.begin()
            self._publish_mark(producer, self._new_names.topic(RULES), self._filling(-1, -1))
            self._publish_mark(producer, self._names.topic(RULES), self._other(Stage.MOVING))
            producer.commit()
        finally:
            producer.close()

    def _begin(self, producer: TransactionalProducer, reading: Reading) -> GenerationMark:
        """Say how the new partitions stand, and by which rules."""
        mark = self._filling(0, -1)
        producer.begin()
        for number, one in enumerate(reading.beginnings):
            producer.publish(self._new_names.topic(JOURNAL), None, encode_input(one), (), number)
        rules = encode_rules(reading.rules)
        producer.publish(self._new_names.topic(RULES), RULES_KEY, rules, (), 0)
        self._publish_mark(producer, self._new_names.topic(RULES), mark)
        producer.commit()
        return mark

    def _move(
        self, producer: TransactionalProducer, reading: Reading, begun: GenerationMark
    ) -> None:
        """Everybody behind the place up to which the new generation has them."""
        partitions, total = reading.partitions, reading.customers
        done = sum(len(one.offsets) for one in partitions[: begun.source])
        done += sum(offset <= begun.offset for offset in partitions[begun.source].offsets)
        for partition in partitions[begun.source :]:
            behind = begun.offset if partition.number == begun.source else -1
            for chunk in _chunks(self._old.customers(partition, behind)):
                self._observe(Step.CUSTOMERS)
                self._move_chunk(producer, partition.number, chunk, reading.time_ms)
                done += len(chunk)
                self._told("Moving customers", done, total)

    def _move_chunk(
        self, producer: TransactionalProducer, source: int, chunk: list[Moving], now_ms: int
    ) -> None:
        producer.begin()
        for _, customer_id, state in chunk:
            key = customer_id.encode()
            moved = CustomerMoved(received_at_ms=now_ms, customer_id=customer_id, state=state)
            producer.publish(
                self._new_names.topic(JOURNAL),
                key,
                encode_input(moved),
                (),
                murmur2(key, self._partitions),
            )
        mark = self._filling(source, chunk[-1].offset)
        self._publish_mark(producer, self._new_names.topic(RULES), mark)
        producer.commit()

    def _wipe(self) -> None:
        """Empty Redis: what it holds is of the old partitions, and comes back from the new ones."""
        store = build_store(self._settings)
        for number in range(max(self._partitions, self._settings.partitions)):
            store.wipe(number)

    def _open(self, producer: TransactionalProducer) -> None:
        """The one step that changes which generation lives."""
        carried = [(role, self._positions(role)) for role in _CARRIED]
        producer.begin()
        for role, positions in carried:
            if positions:
                member = Consumer(
                    {**reader_config(self._base), "group.id": self._new_names.group(role)}
                )
                try:
                    producer.send_positions(positions, member.consumer_group_metadata())
                finally:
                    member.close()
        opened = GenerationMark(Stage.OPEN, self._settings.generation, self._settings.partitions)
        self._publish_mark(producer, self._new_names.topic(RULES), opened)
        self._publish_mark(producer, self._names.topic(RULES), self._other(Stage.MOVED))
        producer.commit()

    # -- topics, marks and positions -------------------------------------------------------------

    def _positions(self, role: str) -> list[TopicPartition]:
        """The committed positions of a group of the old generation, notes included."""
        topics = self._list_topics()
        asked = [
            TopicPartition(name, number)
            for name in map(self._names.topic, _CARRIED[role])
            for number in range(topics.get(name, 0))
        ]
        if not asked:
            return []
        consumer = Consumer({**reader_config(self._base), "group.id": self._names.group(role)})
        try:
            found = consumer.committed(asked, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise Transient(f"positions of {role}: {error.args[0].str()}") from error
        finally:
            consumer.close()
        if any(one.error is not None for one in found):
            raise Transient(f"positions of {role}: the broker does not know them all just now")
        return [
            TopicPartition(one.topic, one.partition, one.offset, one.metadata or "")
            for one in found
            if one.offset >= 0
        ]

    def _new_standing(self) -> Standing:
        return _patiently(KafkaRulesLog(self._base, self._new_names, self._partitions).read)

    def _filling(self, source: int, offset: int) -> GenerationMark:
        settings = self._settings
        return GenerationMark(
            Stage.FILLING, settings.generation, settings.partitions, source, offset
        )

    def _other(self, stage: Stage) -> GenerationMark:
        return GenerationMark(stage, self._new_settings.generation, self._partitions)

    def _publish_mark(
        self, producer: TransactionalProducer, topic: str, mark: GenerationMark
    ) -> None:
        producer.publish(topic, MARK_KEY, encode_mark(mark), (), 0)

    def _is_marked(self) -> bool:
        mark = self._rules_log.read().mark
        return mark is not None and mark.stage is Stage.MOVING

    def _unmark(self) -> None:
        """Let the old generation live on."""
        producer = self._rules_log.open_producer()
        try:
            producer.begin()
            producer.publish(self._names.topic(RULES), MARK_KEY, b"", (), 0)
            producer.commit()
        finally:
            producer.close()

    def _list_topics(self) -> dict[str, int]:
        """Partition counts by physical name."""
        try:
            topics = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            raise Transient(f"listing topics: {error.args[0].str()}") from error
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _delete(self, names: list[str]) -> None:
        if not names:
            return
        for name, future in self._admin.delete_topics(names, operation_timeout=_GONE_S).items():
            try:
                future.result()
            except KafkaException as error:
                raise Transient(f"deleting {name}: {error.args[0].str()}") from error
        deadline_s = time.monotonic() + _GONE_S
        while self._list_topics().keys() & set(names):
            if time.monotonic() > deadline_s:
                raise Transient(f"{', '.join(names)} are still there after {_GONE_S:g} s")
            time.sleep(_AGAIN_S)


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask again for a moment: a broker shows a new topic before it serves it."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return ask()
        except Transient:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_AGAIN_S)


def _require_same(reading: Reading, positions: list[int | None]) -> None:
    """Raise where decide went on after what was read."""
    for one in reading.partitions:
        if one.stood is not None and positions[one.number] != one.stood.record.journal_offset:
            raise UsageError(
                f"journal partition {one.number} was decided further while it was read, or its "
                "position was reset by hand: stop decide and try again"
            )


def _is_from(mark: GenerationMark | None, settings: Settings) -> bool:
    """Whether a generation is being filled from that of the settings."""
    return (
        mark is not None
        and mark.stage is Stage.FILLING
        and (mark.generation, mark.partitions) == (settings.generation, settings.partitions)
    )


def _chunks(customers: Iterator[Moving]) -> Iterator[list[Moving]]:
    chunk: list[Moving] = []
    size = 0
    for one in customers:
        chunk.append(one)
        size += len(one.state)
        if len(chunk) >= MAX_CUSTOMERS or size >= MAX_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
