"""What `rfm.rules` of either generation says of a move: who lives, who is left, and how far it is."""

from streams.adapters.kafka.patience import patiently
from streams.adapters.kafka.rules_log import RULES, KafkaRulesLog, Standing
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.bootstrap import build_rules_log, names_of
from streams.codec.generations import MARK_KEY, GenerationMark, Stage, encode_mark
from streams.errors import UsageError
from streams.repartition.topics import TIMEOUT_S
from streams.settings import Settings

OVERTAKEN = (
    "another run of this command has finished or given up this move meanwhile, or a process was started "
    "in the new generation: `rfm-streams repartition --dry-run` says how things stand"
)


class Marks:
    """The marks of the generation of `settings` and of the one it moves to."""

    def __init__(self, settings: Settings, new_settings: Settings) -> None:
        self._settings, self._new_settings = settings, new_settings
        self._rules = names_of(settings).topic(RULES)
        self._new_rules = names_of(new_settings).topic(RULES)
        self._log = build_rules_log(settings)
        self._new_log = KafkaRulesLog(
            settings.kafka_config(), names_of(new_settings), new_settings.partitions
        )

    def read_old(self) -> GenerationMark | None:
        """How the old generation is marked; None where nothing was ever moved."""
        return self._log.read().mark

    def read_new(self) -> Standing:
        """What the new generation's rules topic says, which must be there."""
        return patiently(self._new_log.read, TIMEOUT_S)

    def is_closed(self) -> bool:
        """Whether the old generation is marked as being left."""
        mark = self.read_old()
        return mark is not None and mark.stage is Stage.MOVING

    def is_ours(self, mark: GenerationMark | None) -> bool:
        """Whether a mark says that a generation is being filled from the old one."""
        return (
            mark is not None
            and mark.stage is Stage.FILLING
            and (mark.generation, mark.partitions)
            == (self._settings.generation, self._settings.partitions)
        )

    def close_old(self) -> None:
        """Close the old generation for everybody, and the new one until it is filled."""
        # Under the id by which rules are journaled: none come in between.
        producer = self._log.open_producer()
        try:
            # Read again under the id: another run may have been faster, and be far by now.
            is_closed, ahead = self.is_closed(), self.read_new()
            if is_closed and self.is_ours(ahead.mark):
                return
            self._require_unchanged(ahead)
            producer.begin()
            self.publish_filled(producer, self.filled_to(-1, -1))
            self._publish(producer, self._rules, self._leaving(Stage.MOVING))
            producer.commit()
        finally:
            producer.close()

    def _require_unchanged(self, ahead: Standing) -> None:
        """Raise where the old generation is left by now, or somebody lives in the new one."""
        old = self.read_old()
        is_left = old is not None and old.stage not in (Stage.OPEN, Stage.MOVING)
        is_free = ahead == Standing() or (
            self.is_ours(ahead.mark) and ahead.rules is None and ahead.mark is not None
            and ahead.mark.source < 0
        )  # fmt: skip
        if is_left or not is_free:
            raise UsageError(OVERTAKEN)

    def reopen_old(self) -> None:
        """Let the old generation live on."""
        producer = self._log.open_producer()
        try:
            producer.begin()
            producer.publish(self._rules, MARK_KEY, b"", (), 0)
            producer.commit()
        finally:
            producer.close()

    def fence_new(self) -> None:
        """End whoever is just journaling rules in the new generation."""
        self._new_log.open_producer().close()

    def filled_to(
        self, source: int, offset: int, positions: tuple[int, ...] = ()
    ) -> GenerationMark:
        """The mark that everybody up to an offset of a partition of the old `rfm.state` is there."""
        settings = self._settings
        return GenerationMark(
            Stage.FILLING, settings.generation, settings.partitions, source, offset, positions
        )

    def publish_filled(self, producer: TransactionalProducer, mark: GenerationMark) -> None:
        """Say in the open transaction how far the new generation is filled."""
        self._publish(producer, self._new_rules, mark)

    def publish_opened(self, producer: TransactionalProducer) -> None:
        """Say in the open transaction that the new generation lives, and the old one is left."""
        settings = self._settings
        opened = GenerationMark(Stage.OPEN, settings.generation, settings.partitions)
        self._publish(producer, self._new_rules, opened)
        self._publish(producer, self._rules, self._leaving(Stage.MOVED))

    def _leaving(self, stage: Stage) -> GenerationMark:
        return GenerationMark(stage, self._new_settings.generation, self._new_settings.partitions)

    def _publish(self, producer: TransactionalProducer, topic: str, mark: GenerationMark) -> None:
        producer.publish(topic, MARK_KEY, encode_mark(mark), (), 0)
