"""Asks a cluster whether it answers this login, and says why where it does not."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import TopicMetadata

from streams.adapters.kafka.config import Config
from streams.errors import Transient, UsageError

_WRONG_LOGIN: Final = KafkaError._AUTHENTICATION  # noqa: SLF001 - the client's public names
_TLS: Final = KafkaError._SSL  # noqa: SLF001
_ALL_BROKERS_DOWN: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
_UNTRUSTED: Final = "certificate verify failed"
# By then a broker on the way has refused, where it refuses; the rest of the time is for slow ones.
_SOON_S: Final = 0.5


def fetch_topics(config: Config, timeout_s: float) -> dict[str, TopicMetadata]:
    """The topics that this login may see.

    Raises `UsageError` where the login or the broker's certificate is refused, `Transient` where
    nothing answers in time.
    """
    # The call itself only says that it failed; the causes come as events of the client.
    causes: list[KafkaError] = []
    told: Config = {**config, "error_cb": causes.append}
    admin = AdminClient(told)
    servers = config["bootstrap.servers"]
    try:
        return admin.list_topics(timeout=min(_SOON_S, timeout_s)).topics
    except KafkaException:
        admin.poll(0)
        _raise_if_refused(servers, causes)
    try:
        return admin.list_topics(timeout=max(_SOON_S, timeout_s - _SOON_S)).topics
    except KafkaException as error:
        admin.poll(0)
        _raise_if_refused(servers, causes)
        cause: KafkaError = error.args[0]
        why = next((one for one in causes if one.code() != _ALL_BROKERS_DOWN), cause)
        raise Transient(
            f"Kafka does not answer at {servers} ({why.str()}): check that it runs, "
            "RFM_KAFKA_BOOTSTRAP_SERVERS, and security.protocol in RFM_KAFKA"
        ) from error


def _raise_if_refused(servers: str, causes: list[KafkaError]) -> None:
    for cause in causes:
        if cause.code() == _WRONG_LOGIN:
            raise UsageError(
                f"Kafka at {servers} refuses the login ({cause.str()}): check sasl.username and "
                "sasl.mechanism in RFM_KAFKA, and RFM_KAFKA_PASSWORD"
            )
        if cause.code() == _TLS and _UNTRUSTED in cause.str():
            raise UsageError(
                f"the certificate of Kafka at {servers} is not trusted ({cause.str()}): name its "
                "authority by ssl.ca.location in RFM_KAFKA, and the brokers by the names in it"
            )
