"""The client's errors sorted into those that waiting mends and those that a person must mend."""

from typing import Final

from confluent_kafka import KafkaError

from streams.errors import Denied, Transient

_NOT_ALLOWED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
ADVICE: Final = "`rfm-streams topics acl` prints what each role needs"


def is_refusal(error: KafkaError) -> bool:
    """Whether the broker knows this login and does not allow it what it asked for."""
    return error.code() in _NOT_ALLOWED


def failure_of(doing: str, error: KafkaError) -> Transient | Denied:
    """What to raise where `doing` something failed: `Denied` for a missing permission."""
    said = f"{doing}: {error.str()}"
    return Denied(f"{said}: {ADVICE}") if is_refusal(error) else Transient(said)
