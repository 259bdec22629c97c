"""`rfm-streams repartition`: every customer into a new generation with another number of partitions.

The old generation is marked first, so that nobody begins to work in it, and read from `rfm.state`.
The new journal begins with how its partitions stand and with every customer, in bounded transactions
that also say how far they are: a run that was killed goes on behind the last one. One last
transaction, with the positions of intake and deliver in it, makes the new generation the open one.
"""

from collections import Counter
from functools import partial

from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.members import GroupMembers
from streams.adapters.kafka.patience import patiently
from streams.adapters.kafka.rules_log import RULES, Standing
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import build_rules_log, build_store, ensure_topics, names_of
from streams.codec.generations import GenerationMark, Stage, require_open
from streams.errors import UsageError
from streams.repartition.beginning import plan_beginning
from streams.repartition.carried import CARRIED, read_positions, send_positions
from streams.repartition.filling import JOURNAL, Filler
from streams.repartition.marks import OVERTAKEN, Marks
from streams.repartition.old_generation import ROLES, OldGeneration, OldPartition
from streams.repartition.steps import Observe, Outlook, Progress, Reading, Step
from streams.repartition.topics import delete_topics, list_topics
from streams.settings import Settings

STATE = "rfm.state"
OUTDATED = (
    "somebody took in events or decided in the old generation while it was moved, so what was moved is out "
    "of date: give it up with `rfm-streams repartition --abandon`, let decide come to the end of the "
    "journal, stop everything and move again"
)


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
        observe: Observe = _unobserved,
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
        self._marks = Marks(settings, self._new_settings)
        self._admin = AdminClient(self._base)
        self._old = OldGeneration(settings, partitions)

    def close(self) -> None:
        """Close the connections."""
        self._old.close()

    def look(self) -> Outlook:
        """See what there is to do, and that it can be done; changes nothing.

        Raises `UsageError`, saying what to do first.
        """
        generation = self._new_settings.generation
        mark = self._marks.read_old()
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
        begun = self._look_ahead(is_closed=mark is not None and mark.stage is Stage.MOVING)
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
        beginnings = plan_beginning(stood, _spread(partitions, self._partitions))
        rules = self._rules_log.load()
        if rules is None or rules.version != beginnings[0].rules_version:
            raise UsageError(
                f"rules version {rules.version if rules else 0} is not decided by yet: start "
                "`rfm-streams run decide` until `rfm-streams status` shows no lag, stop it "
                "and try again"
            )
        return Reading(partitions, beginnings, rules)

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
            self._marks.close_old()
        self._observe(Step.CHECK_AGAIN)
        self._check_again(reading)
        producer = self._open_producer()
        try:
            # Read under the id: what an earlier run left open has an end now.
            begun = self._marks.read_new().mark
            if begun is None or not self._marks.is_ours(begun):
                raise UsageError(OVERTAKEN)
            filler = Filler(self._old, self._new_names, self._partitions, self._marks, producer)
            if begun.source < 0:
                self._observe(Step.BEGIN)
                begun = filler.begin(reading)
            elif begun.positions != reading.positions:
                raise UsageError(OUTDATED)
            filler.fill(reading, begun, self._observe, self._told)
            self._observe(Step.WIPE)
            self._wipe()
            self._observe(Step.OPEN)
            self._look_a_last_time(reading)
            self._open(producer)
        finally:
            producer.close()
        return outlook

    def abandon(self) -> bool:
        """Give up a move that is not finished; False where there is none.

        The old generation goes on as it stood. Nobody ever decided anything in the new one, so its
        topics are deleted.
        """
        # Under the id of a move, so that a run under way ends here and cannot finish behind our back.
        producer = self._open_producer()
        try:
            is_closed = self._marks.is_closed()
            if not is_closed:
                self._rules_log.check_open()
            topics = list_topics(self._admin)
            named = [self._new_names.topic(name) for name in (JOURNAL, STATE, RULES)]
            there = [name for name in named if name in topics]
            if not is_closed and not self._is_left_over(topics):
                return False
            delete_topics(self._admin, there)
            self._marks.reopen_old()
        finally:
            producer.close()
        return True

    def _open_producer(self) -> TransactionalProducer:
        return TransactionalProducer(self._base, self._names.transactional_id("repartition", "all"))

    def _is_left_over(self, topics: dict[str, int]) -> bool:
        """Whether the topics of the new generation stand there without a life of their own."""
        rules, journal = self._new_names.topic(RULES), self._new_names.topic(JOURNAL)
        if rules not in topics:
            return False
        standing = self._marks.read_new()
        if self._marks.is_ours(standing.mark):
            return True
        return standing == Standing() and not self._has_life(journal, topics.get(journal, 0))

    # -- before anything changes -----------------------------------------------------------------

    def _look_ahead(self, *, is_closed: bool) -> GenerationMark | None:
        """See that the new generation is nobody's, or as an earlier run left it."""
        generation, topics = self._new_settings.generation, list_topics(self._admin)
        journal = self._new_names.topic(JOURNAL)
        if journal in topics and topics[journal] != self._partitions:
            raise UsageError(
                f"generation {generation} has {topics[journal]} partitions already: run this with "
                f"--partitions {topics[journal]}, or remove it with `rfm-streams repartition --abandon`"
            )
        if self._new_names.topic(RULES) not in topics:
            return None
        standing = self._marks.read_new()
        if self._marks.is_ours(standing.mark):
            if not is_closed and standing.mark is not None and standing.mark.source >= 0:
                raise UsageError(
                    f"generation {generation} holds part of an earlier move, which this one has "
                    "outlived: remove it with `rfm-streams repartition --abandon`, then run this again"
                )
            return standing.mark if is_closed else None
        if standing != Standing() or self._has_life(journal, topics.get(journal, 0)):
            raise UsageError(
                f"generation {generation} has a life of its own: `rfm-streams status` under "
                f"RFM_GENERATION={generation} shows it. Customers move into an empty one only: delete "
                f"its topics ({journal} and its siblings) if nobody needs them"
            )
        return None

    def _has_life(self, journal: str, partitions: int) -> bool:
        log = KafkaStateLog(self._base, journal)
        try:
            return any(patiently(partial(log.end, one)) for one in range(partitions))
        finally:
            log.close()

    def _check_again(self, reading: Reading) -> None:
        """Look once more behind the mark: whoever joined before it is seen, who comes later sees it."""
        try:
            _require_same(reading, self._old.require_rest())
            self._require_nobody_ahead()
        except UsageError:
            begun = self._marks.read_new().mark
            if begun is not None and begun.source < 0 and self._marks.is_ours(begun):
                # Somebody was faster than the mark. Nothing has moved, so they may go on.
                self._marks.reopen_old()
            raise

    def _require_nobody_ahead(self) -> None:
        """Raise where somebody began to live in the new generation before it was marked."""
        begun = self._marks.read_new().mark
        if begun is None or begun.source >= 0:
            return
        self._marks.fence_new()
        groups = {role: self._new_names.group(role) for role in ROLES}
        journal = self._new_names.topic(JOURNAL)
        if any(GroupMembers(self._base, groups).count().values()) or self._has_life(
            journal, self._partitions
        ):
            generation = self._new_settings.generation
            raise UsageError(
                f"a process was started under RFM_GENERATION={generation} before everybody is there: "
                "stop it, then run this with --abandon, and again without"
            )

    def _look_a_last_time(self, reading: Reading) -> None:
        """Whoever slipped in between the looks is a member by now, or has left something behind."""
        self._old.require_nobody()
        try:
            _require_same(reading, self._old.require_decided())
        except UsageError as error:
            raise UsageError(OUTDATED) from error

    # -- the move --------------------------------------------------------------------------------

    def _wipe(self) -> None:
        """Empty Redis: what it holds is of the old partitions, and comes back from the new ones."""
        store = build_store(self._settings)
        for number in range(max(self._partitions, self._settings.partitions)):
            store.wipe(number)

    def _open(self, producer: TransactionalProducer) -> None:
        """The one step that changes which generation lives."""
        topics = list_topics(self._admin)
        carried = [
            (role, read_positions(self._base, self._names, topics, role)) for role in CARRIED
        ]
        producer.begin()
        for role, positions in carried:
            send_positions(self._base, self._new_names, role, producer, positions)
        self._marks.publish_opened(producer)
        producer.commit()


def _spread(partitions: list[OldPartition], new_partitions: int) -> list[int]:
    total = sum((one.spread for one in partitions), Counter[int]())
    return [total[number] for number in range(new_partitions)]


def _require_same(reading: Reading, positions: list[int | None]) -> None:
    """Raise where decide went on after what was read."""
    for one in reading.partitions:
        if one.stood is not None and positions[one.number] != one.stood.record.journal_offset:
            raise UsageError(
                f"journal partition {one.number} was decided further while it was read, or its "
                "position was reset by hand: stop decide and try again"
            )
