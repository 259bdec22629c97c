"""Compares what a login may do with topics with what its roles need."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

from streams.adapters.access import Operation, Role, kafka_grants
from streams.adapters.kafka.config import Config
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.refusals import failure_of, is_refusal
from streams.errors import Denied

_TIMEOUT_S: Final = 10.0
_SAID: Final[dict[Operation, AclOperation]] = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def check_access(config: Config, names: Names, roles: Iterable[Role]) -> None:
    """Raise `Denied`, naming every topic and operation that the login lacks.

    Brokers that say nothing of permissions, and topics that do not exist yet, are passed over: what
    is refused later says so itself. Groups and transactional ids are named by their own refusals.
    """
    known = tuple(roles)
    user = str(config.get("sasl.username", "NAME"))
    wanted: defaultdict[str, list[Operation]] = defaultdict(list)
    for grant in kafka_grants(known, names, user):
        if grant.resource == "topic":
            wanted[grant.name].append(grant.operation)
    lacking = _compare(AdminClient(config), wanted)
    if lacking:
        asked = " ".join(f"--role {role.name}" for role in known)
        raise Denied(
            f"Kafka does not allow this login: {'; '.join(lacking)}. `rfm-streams topics acl {asked} "
            f"--principal User:{user}` prints all that it needs"
        )


def _compare(admin: AdminClient, wanted: dict[str, list[Operation]]) -> list[str]:
    pending = admin.describe_topics(
        TopicCollection(list(wanted)),
        include_authorized_operations=True,
        request_timeout=_TIMEOUT_S,
    )
    lacking: list[str] = []
    for name, operations in wanted.items():
        try:
            allowed = pending[name].result().authorized_operations
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if not is_refusal(cause):
                raise failure_of("asking what this login may do", cause) from error
            allowed = []
        if allowed is not None:
            missing = [one for one in operations if _SAID[one] not in allowed]
            lacking += [f"{' and '.join(missing)} of topic {name}"] if missing else []
    return lacking
