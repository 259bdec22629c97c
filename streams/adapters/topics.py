"""Creates and compares the topics of `schemas/topics.py` on a broker."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigEntry, ConfigResource
from confluent_kafka.admin._metadata import TopicMetadata
from confluent_kafka.cimpl import NewTopic

from schemas.topics import TOPICS, physical_name
from streams.adapters.kafka.refusals import ADVICE, failure_of, is_refusal
from streams.errors import Denied, Transient, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

TIMEOUT_S = 30.0
LEADER_POLL_S = 0.05
# With two copies, a majority would stop everything as soon as one broker is restarted.
_SPARE_COPIES = 3


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """One topic as it should be on the broker: its name there, partitions, copies and settings.

    `may_have_others`: any number of partitions will do where it exists. Intake reads public topics
    however they are cut, and what we publish is keyed by customer.
    """

    name: str
    partitions: int
    config: Mapping[str, str]
    may_have_others: bool = False
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of a topic that is not as wanted. `found` is None where the topic is missing."""

    topic: str
    setting: str
    wanted: str
    found: str | None


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """One topic as it is on the broker. `partitions` 0 means that it does not exist."""

    name: str
    partitions: int
    replication_factor: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class CreationReport:
    """What `create_topics` did, by topic name, and the settings that differ (which it leaves)."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    mismatched: tuple[Difference, ...]


def plan_topics(
    namespace: str,
    generation: int,
    partitions: Mapping[str, int] | None = None,
    replication_factor: int = 1,
) -> tuple[WantedTopic, ...]:
    """Give the whole table under a namespace and a generation.

    `partitions` overrides counts by the table's names (`rfm.journal`). Journal and state must have
    the same count: a partition of the state belongs to one of the journal. Raises UsageError.
    """
    overrides = dict(partitions or {})
    unknown = overrides.keys() - {topic.name for topic in TOPICS}
    if unknown:
        message = f"no such topic: {', '.join(sorted(unknown))}; there are " + ", ".join(
            topic.name for topic in TOPICS
        )
        raise UsageError(message)
    counts = {topic.name: overrides.get(topic.name, topic.partitions) for topic in TOPICS}
    if min(counts.values()) < 1:
        message = "every topic needs at least 1 partition"
        raise UsageError(message)
    if counts["rfm.journal"] != counts["rfm.state"]:
        message = (
            "rfm.journal and rfm.state must have the same number of partitions, not "
            f"{counts['rfm.journal']} and {counts['rfm.state']}"
        )
        raise UsageError(message)
    return tuple(
        WantedTopic(
            physical_name(topic, namespace, generation),
            counts[topic.name],
            {**topic.config(), **_durable(replication_factor)},
            may_have_others=topic.role in ("public", "output"),
            copies=replication_factor,
        )
        for topic in TOPICS
    )


def _durable(copies: int) -> dict[str, str]:
    """What is acknowledged stands on more than half of the copies, where one may be missing.

    The broker's own default is one copy: a commit that its leader alone holds is lost with it.
    """
    return {"min.insync.replicas": str(copies // 2 + 1)} if copies >= _SPARE_COPIES else {}


def create_topics(
    admin: AdminClient,
    namespace: str,
    generation: int,
    *,
    partitions: Mapping[str, int] | None = None,
    replication_factor: int = 1,
) -> CreationReport:
    """Create the topics that are missing; safe to repeat and to run twice at once.

    Settings of existing topics are compared, reported and left alone, because a person may have
    changed them on purpose. Raises UsageError where an existing topic has another number of
    partitions than wanted, before anything is created; Transient where the broker does not answer.
    """
    wanted = plan_topics(namespace, generation, partitions, replication_factor)
    before = _describe(admin, wanted)
    for want, found in zip(wanted, before, strict=True):
        _require_partitions(want, found)
    missing = [want for want, found in zip(wanted, before, strict=True) if not found.partitions]
    created = _create(admin, missing)
    _wait_until_led(admin, [want.name for want in missing])
    after = _describe(admin, wanted)
    for want, found in zip(wanted, after, strict=True):
        _require_partitions(want, found)  # another process may have created it in between
    return CreationReport(
        created=created,
        existing=tuple(want.name for want in wanted if want.name not in created),
        mismatched=tuple(difference for found in after for difference in found.differences),
    )


def describe_topics(
    admin: AdminClient,
    namespace: str,
    generation: int,
    *,
    partitions: Mapping[str, int] | None = None,
    replication_factor: int = 1,
) -> tuple[TopicDescription, ...]:
    """Every topic of the table as it is on the broker, with its differences from the table.

    Raises Transient where the broker does not answer.
    """
    return _describe(admin, plan_topics(namespace, generation, partitions, replication_factor))


def _require_partitions(want: WantedTopic, found: TopicDescription) -> None:
    if want.may_have_others or found.partitions in {0, want.partitions}:
        return
    message = (
        f"topic {want.name} has {found.partitions} partitions, {want.partitions} are wanted. "
        "More or fewer partitions are a new generation, into which customers are moved: set "
        f"RFM_PARTITIONS to {found.partitions}, then see `rfm-streams repartition --help`"
    )
    raise UsageError(message)


def _create(admin: AdminClient, missing: list[WantedTopic]) -> tuple[str, ...]:
    if not missing:
        return ()
    pending = admin.create_topics(
        [
            NewTopic(want.name, want.partitions, want.copies, config=dict(want.config))
            for want in missing
        ],
        operation_timeout=TIMEOUT_S,
    )
    created = []
    for name, future in pending.items():
        try:
            future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
                continue
            if code in {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION}:
                message = f"the broker refuses topic {name}: {error.args[0].str()}"
                raise UsageError(message) from error
            if is_refusal(error.args[0]):
                message = (
                    f"topic {name} is not there, or this login may not see it, and it may not create "
                    f"it: {ADVICE}"
                )
                raise Denied(message) from error
            raise _failure(error, f"creating topic {name}") from error
        created.append(name)
    return tuple(created)


def _wait_until_led(admin: AdminClient, names: list[str]) -> None:
    """Return once brokers show the topics with leaders: they answer the creation before that."""
    deadline = time.monotonic() + TIMEOUT_S
    while names:
        topics = _fetch_topics(admin)
        names = [name for name in names if name not in topics or not _is_led(topics[name])]
        if names and time.monotonic() > deadline:
            message = f"topics without a leader after {TIMEOUT_S:g} s: {', '.join(names)}"
            raise Transient(message)
        if names:
            time.sleep(LEADER_POLL_S)


def _is_led(topic: TopicMetadata) -> bool:
    partitions = topic.partitions.values()
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions)


def _fetch_topics(admin: AdminClient) -> dict[str, TopicMetadata]:
    try:
        return admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise _failure(error, "listing topics") from error


def _describe(admin: AdminClient, wanted: tuple[WantedTopic, ...]) -> tuple[TopicDescription, ...]:
    present = _fetch_topics(admin)
    resources = {
        want.name: ConfigResource(ConfigResource.Type.TOPIC, want.name)
        for want in wanted
        if want.name in present
    }
    answers = (
        admin.describe_configs(list(resources.values()), request_timeout=TIMEOUT_S)
        if resources
        else {}
    )
    descriptions = []
    for want in wanted:
        if want.name not in resources:
            missing = Difference(want.name, "partitions", str(want.partitions), None)
            descriptions.append(TopicDescription(want.name, 0, differences=(missing,)))
            continue
        entries = _fetch_config(answers[resources[want.name]], want.name)
        found = present[want.name].partitions
        config = {name: str(entry.value) for name, entry in entries.items()}
        copies = min(len(each.replicas) for each in found.values())
        descriptions.append(
            TopicDescription(
                name=want.name,
                partitions=len(found),
                replication_factor=copies,
                config={name: config[name] for name in want.config if name in config},
                differences=_compare(want, len(found), copies, config),
            )
        )
    return tuple(descriptions)


def _compare(
    want: WantedTopic, partitions: int, copies: int, config: Mapping[str, str]
) -> tuple[Difference, ...]:
    pairs = [] if want.may_have_others else [("partitions", str(want.partitions), str(partitions))]
    if copies < want.copies:
        pairs.append(("replication.factor", str(want.copies), str(copies)))
    pairs += [(name, value, config.get(name, "")) for name, value in want.config.items()]
    return tuple(
        Difference(want.name, name, value, found) for name, value, found in pairs if value != found
    )


def _fetch_config(future: "Future[dict[str, ConfigEntry]]", topic: str) -> dict[str, ConfigEntry]:
    try:
        return future.result()
    except KafkaException as error:
        raise _failure(error, f"reading the settings of topic {topic}") from error


def _failure(error: KafkaException, doing: str) -> Transient | Denied:
    reason: KafkaError = error.args[0]
    if is_refusal(reason):
        return failure_of(doing, reason)
    return Transient(f"{doing} failed: {reason.str()}; check RFM_KAFKA_BOOTSTRAP_SERVERS")
