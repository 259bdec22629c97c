"""The customers of Redis for the commands that count them all."""

from collections.abc import Iterator
from typing import NamedTuple

from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.redis.store import RedisStateStore
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, open_store
from streams.cli.output import progress_bar
from streams.core.rules import Rules
from streams.core.state import CustomerState
from streams.errors import UsageError
from streams.insights.live import LivePartition, live_customers, live_partitions, newest
from streams.settings import Settings


class Live(NamedTuple):
    """The customers of Redis, ready to be scanned."""

    store: RedisStateStore
    partitions: list[LivePartition]

    @property
    def newest(self) -> LivePartition:
        """The partition with the newest rules and snapshot."""
        return newest(self.partitions)

    @property
    def rules(self) -> Rules:
        """The newest rules that any partition decides by."""
        return self.newest.rules

    @property
    def as_of_ms(self) -> int:
        """The greatest time of the partitions."""
        return max(one.time_ms for one in self.partitions)

    def customers(self) -> Iterator[tuple[LivePartition, CustomerState]]:
        """Every customer once, with a progress bar."""
        with progress_bar("Reading Redis", None) as advance:
            yield from live_customers(self.store, self.partitions, advance)


def open_live(settings: Settings) -> Live:
    """Open Redis for a scan; raises `NotReadyError` where it does not hold all that was committed."""
    live = find_live(settings)
    if live is None:
        raise UsageError(
            "nothing was decided yet: start `rfm-streams run`, or check RFM_NAMESPACE and "
            "RFM_GENERATION"
        )
    return live


def find_live(settings: Settings) -> Live | None:
    """The same; None where nothing was decided yet."""
    check_kafka(settings, "rfm.state")
    store = open_store(settings)
    state_log = KafkaStateLog(settings.kafka_config(), names_of(settings).topic("rfm.state"))
    try:
        partitions = live_partitions(store, state_log, settings.partitions)
    finally:
        state_log.close()
    return Live(store, partitions) if partitions else None
