"""What commands share: the settings of this call, and whether Kafka and Redis answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from confluent_kafka.admin._metadata import TopicMetadata

from streams.adapters.kafka.cluster import fetch_topics
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import RedisStateStore, connect
from streams.bootstrap import build_store, names_of
from streams.errors import Transient, UsageError
from streams.settings import Settings, load_settings

_ANSWER_S = 5.0
# The client's own lines would stand beside the one that says what to do; debug shows them.
_QUIET = {"log_level": "2"}


@dataclass(slots=True)
class Invocation:
    """Global options of one call. The settings are read when a command first wants them."""

    config: Path | None = None
    _settings: Settings | None = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """Settings from the environment and `--config`; raises `UsageError`."""
        if self._settings is None:
            self._settings = load_settings(self.config)
        return self._settings


def settings_of(ctx: typer.Context) -> Settings:
    """The settings of this call; raises `UsageError` where they are wrong."""
    return invocation_of(ctx).settings


def quiet_settings_of(ctx: typer.Context) -> Settings:
    """The same for commands that report by themselves: the Kafka client keeps silent."""
    settings = settings_of(ctx)
    if settings.log_level == "debug":
        return settings
    return settings.model_copy(update={"kafka": {**_QUIET, **settings.kafka}})


def invocation_of(ctx: typer.Context) -> Invocation:
    """Global options of this call."""
    found = ctx.find_object(Invocation)
    if found is None:
        raise RuntimeError("the command was called without the app")
    return found


def check_kafka(settings: Settings, *needed: str) -> dict[str, TopicMetadata]:
    """See that Kafka answers and the `needed` topics (logical names) are there, as the settings say.

    Returns the topics of the cluster. Raises `Transient` or `UsageError`, saying what to do.
    """
    topics = fetch_topics(settings.kafka_config(), _ANSWER_S)
    names = names_of(settings)
    for logical in needed:
        name = names.topic(logical)
        if name not in topics:
            raise UsageError(
                f"topic {name} does not exist at {settings.kafka_bootstrap_servers}: run "
                "`rfm-streams topics create`, or check RFM_NAMESPACE and RFM_GENERATION, and that "
                "this login may see it (`rfm-streams topics acl`)"
            )
        found = len(topics[name].partitions)
        if logical in ("rfm.journal", "rfm.state") and found != settings.partitions:
            raise UsageError(
                f"topic {name} has {found} partitions, the settings say {settings.partitions}: set "
                f"RFM_PARTITIONS={found}"
            )
    return topics


def open_store(settings: Settings) -> RedisStateStore:
    """The store, once it has answered; raises `Transient` or `UsageError`, saying what to do."""
    try:
        store = build_store(settings)
        store.check()
    except ValueError as error:
        raise UsageError(f"RFM_REDIS_URL: {error}") from None
    except Transient as error:
        raise Transient(
            f"{error}: check that Redis runs, and RFM_REDIS_URL (rediss:// where it speaks TLS)"
        ) from error
    return store


def count_customers(settings: Settings, numbers: Sequence[int]) -> int:
    """How many customers these partitions of Redis hold, the erased and the merged included."""
    client = connect(settings.redis_url.get_secret_value())
    keys = Keys(settings.namespace)
    try:
        return sum(int(client.hlen(keys.partition(number).customers)) for number in numbers)
    finally:
        client.close()
