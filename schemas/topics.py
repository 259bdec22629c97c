"""The one table of topics. Nothing else in the project spells a topic's settings."""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["public", "journal", "state", "output", "dead_letters"]
CleanupPolicy = Literal["delete", "compact"]

_DAY_MS: Final = 24 * 60 * 60 * 1000
_MAX_MESSAGE_BYTES: Final = 12 * 1024 * 1024
"""A 10 MB record of a shop must arrive, or it could not become a dead letter that says so. One
figure for all topics, so that producers and consumers need one figure too."""
_PARTITIONS: Final = 6
"""Divides evenly among 1, 2, 3 and 6 workers."""

_TOLD_MS: Final = 90 * _DAY_MS
"""A quarter: a subscriber that was down over a season change still finds every message."""

FOREVER: Final = -1
"""`retention.ms` of a topic that keeps everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `retention_ms` is in milliseconds, None where compaction alone decides.

    Of compacted topics, milliseconds too, None for the broker's own: `tombstones_ms` is how long a
    removed key is told, `compacted_after_ms` how long a value that was replaced may stay.
    """

    name: str
    role: Role
    description: str
    partitions: int = _PARTITIONS
    cleanup_policy: CleanupPolicy = "delete"
    retention_ms: int | None = FOREVER
    max_message_bytes: int = _MAX_MESSAGE_BYTES
    log_append_time: bool = False
    tombstones_ms: int | None = None
    compacted_after_ms: int | None = None

    def config(self) -> dict[str, str]:
        """Give the topic's settings by the broker's names."""
        config = {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
        }
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.tombstones_ms is not None:
            config["delete.retention.ms"] = str(self.tombstones_ms)
        if self.compacted_after_ms is not None:
            config["max.compaction.lag.ms"] = str(self.compacted_after_ms)
        return config


def _public(name: str, description: str) -> Topic:
    # A week outlasts a long weekend without intake; after intake the journal holds the events.
    return Topic(name=name, role="public", description=description, retention_ms=7 * _DAY_MS)


def _output(name: str, description: str) -> Topic:
    return Topic(name=name, role="output", description=description, retention_ms=_TOLD_MS)


TOPICS: Final[tuple[Topic, ...]] = (
    _public("shop.orders", "Orders placed and cancelled."),
    _public("shop.returns", "Goods that come back."),
    _public("shop.carts", "Carts as they change and are left behind."),
    _public("shop.customers", "Attributes, consent, erasure and merging of customers."),
    _public("shop.service", "Contacts with customer service."),
    _public("marketing.deliveries", "What became of marketing actions."),
    Topic(
        name="rfm.journal",
        role="journal",
        description="Every input of every decision, in one order per customer.",
        log_append_time=True,
    ),
    Topic(
        name="rfm.state",
        role="state",
        description="The latest state of every customer and partition.",
        cleanup_policy="compact",
        retention_ms=None,
        log_append_time=True,
    ),
    Topic(
        name="rfm.rules",
        role="state",
        description="The latest rules, as journaled to every partition of the journal.",
        partitions=1,
        cleanup_policy="compact",
        retention_ms=None,
    ),
    _output("segment-changes", "Customers that changed segment."),
    Topic(
        name="customer-segments",
        role="output",
        description="The present segments of each customer, to start from.",
        cleanup_policy="compact",
        retention_ms=None,
        tombstones_ms=_TOLD_MS,
        # Former segments of an erased customer go within days, not when the broker likes.
        compacted_after_ms=7 * _DAY_MS,
    ),
    _output("marketing.actions", "Actions requested, cancelled and held back."),
    _output("campaign.outcomes", "What runs of campaigns brought, control groups included."),
    Topic(
        name="dead-letters",
        role="dead_letters",
        description="Records that could not be used, with the reason.",
        partitions=1,
        # A month to mend and retry; the records may hold personal data, so no longer.
        retention_ms=30 * _DAY_MS,
    ),
)

TOPIC_BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}


def physical_name(topic: Topic, namespace: str, generation: int) -> str:
    """Name on the broker: `x.shop.orders` in namespace "x"; journal and state end in `.g1`."""
    name = f"{namespace}.{topic.name}" if namespace else topic.name
    return f"{name}.g{generation}" if topic.role in ("journal", "state") else name
