"""`JournalLog` on Kafka: a group member that reads and a transactional producer that writes."""

from collections.abc import Mapping

from streams.adapters.kafka.config import Config
from streams.adapters.kafka.membership import GroupMember
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.rules_log import KafkaRulesLog
from streams.adapters.kafka.transactions import TransactionalProducer
from streams.ports import Headers, Polled

ROLE = "decide"


class KafkaJournalLog:
    """The journal of one installation, for the decider called `instance`."""

    def __init__(self, base: Config, names: Names, instance: str, *, leaves: bool = False) -> None:
        self._names = names
        self._topics: dict[str, str] = {}
        self._rules_log = KafkaRulesLog(base, names, partitions=0)
        self._must_check = False
        # The producer first: its start ends what an earlier life of this instance left open.
        self._producer = TransactionalProducer(base, names.transactional_id(ROLE, instance))
        self._member = GroupMember(
            base,
            names.topic("rfm.journal"),
            names.group(ROLE),
            f"{ROLE}-{instance}",
            leaves=leaves,
        )

    def poll(self, max_records: int, timeout_s: float) -> Polled:
        """One poll of the journal; raises `UsageError` where this generation has moved."""
        if self._must_check:
            # Whoever moves a generation marks it first and looks for members then, so that one who
            # joins behind that look sees the mark here, before it reads anything.
            self._rules_log.check_open()
            self._must_check = False
        polled = self._member.poll(max_records, timeout_s)
        self._must_check = bool(polled.gained)
        return polled

    def start(self, partition: int, offset: int) -> None:
        """Read from `offset` on."""
        self._member.start(partition, offset)

    def halt(self, partition: int) -> None:
        """Read no more until started again."""
        self._member.halt(partition)

    def committed(self, partition: int) -> int | None:
        """The committed position of the group."""
        return self._member.committed(partition)

    def begin(self) -> None:
        """Open the transaction."""
        self._producer.begin()

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
    ) -> None:
        """Add a record to the transaction."""
        self._producer.publish(self._topic(topic), key, value, headers, partition)

    def publish_tracked(self, topic: str, key: bytes, value: bytes, partition: int) -> None:
        """Add a record whose offset `commit` tells."""
        self._producer.publish_tracked(self._topic(topic), key, value, partition)

    def send_positions(self, positions: Mapping[int, int], membership: object) -> None:
        """Add the journal positions."""
        self._producer.send_positions(
            [self._member.position(number, offset) for number, offset in positions.items()],
            membership,
        )

    def commit(self) -> dict[int, int]:
        """Commit; offsets of the tracked records."""
        return dict(self._producer.commit())

    def abort(self) -> None:
        """Drop the transaction."""
        self._producer.abort()

    def renew(self) -> None:
        """A new producer after an unknown outcome."""
        self._producer.renew()

    @property
    def broker_time_ms(self) -> int:
        """The broker's clock at the latest commit; 0 before the first."""
        return self._producer.broker_time_ms

    @property
    def has_joined(self) -> bool:
        """Whether the group has given this member its share, which may be none."""
        return self._member.has_joined

    def ends(self) -> dict[int, int]:
        """The ends of the owned partitions, where known."""
        return self._member.ends()

    def close(self) -> None:
        """Leave the group and drop what is queued."""
        self._producer.close()
        self._member.close()

    def _topic(self, logical: str) -> str:
        physical = self._topics.get(logical)
        if physical is None:
            physical = self._topics[logical] = self._names.topic(logical)
        return physical
