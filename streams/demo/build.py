"""Sets the stage: embedded servers and real processes, or the memory backend where that fails."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from streams.bootstrap import build_rules_log, ensure_topics
from streams.demo.kafka_stage import KafkaStage
from streams.demo.memory_stage import MemoryStage
from streams.demo.processors import Processors
from streams.demo.servers import DemoServers
from streams.demo.stages import Stage
from streams.errors import Transient, UsageError
from streams.rules.files import rules_text
from streams.settings import Settings

# The shop may go on beyond today: nobody wants to see the demo end.
_FUTURE_S: Final = 100 * 365 * 86_400
# librdkafka's own lines would run through the view; what matters comes as an error.
_QUIET: Final = {"log_level": "0"}
_RULES_WITHIN_S: Final = 30.0
_RETRY_S: Final = 0.1

Say = Callable[[str], None]


def demo_settings(settings: Settings) -> Settings:
    """Give a person's settings, except for what belongs to the demo's own servers and clock."""
    default_port = Settings.model_fields["metrics_port"].default
    return settings.model_copy(
        update={
            "namespace": "",
            "generation": 1,
            "instance": "demo",
            "kafka": {},
            "kafka_password": None,
            "replication_factor": 1,
            "clock": "event",
            "future_tolerance_s": _FUTURE_S,
            # Beside an installation that runs on the usual ports.
            "metrics_port": 0 if settings.metrics_port == default_port else settings.metrics_port,
            "log_format": "json",
            "rules_dir": settings.rules_dir and settings.rules_dir.resolve(),
        }
    )


def set_stage(settings: Settings, start_ms: int, cleanup: ExitStack, say: Say) -> Stage:
    """Start everything; `cleanup` ends it. `settings` as of `demo_settings`.

    Without a broker or a Redis server the stage is the memory backend, which is said. Raises
    `Transient` or `UsageError` where they run and something else is wrong.
    """
    rules = rules_text(settings)
    servers = cleanup.enter_context(DemoServers())
    say("starting an embedded Apache Kafka and Redis")
    try:
        kafka = servers.start_kafka()
        redis = servers.start_redis()
    except (Transient, UsageError, OSError) as error:
        servers.close()
        say(
            f"{' '.join(str(error).split())}. Going on without Kafka and Redis, on the memory "
            "backend: the same decisions in this process"
        )
        return MemoryStage(settings, rules)
    own = settings.model_copy(
        update={
            "kafka_bootstrap_servers": kafka.bootstrap_servers,
            "redis_url": type(settings.redis_url)(redis.url),
        }
    )
    quiet = own.model_copy(update={"kafka": _QUIET})
    ensure_topics(quiet)
    _journal_rules(quiet, rules, start_ms)
    say("starting intake and decide")
    return _start_processors(own, quiet, servers, cleanup)


def _journal_rules(settings: Settings, rules: str, start_ms: int) -> None:
    """Journal the first rules at the shop's first instant.

    Under the event clock no record may be ahead of the events: it would take time with it.
    """
    give_up_s = time.monotonic() + _RULES_WITHIN_S
    while True:
        try:
            build_rules_log(settings).ensure(rules, start_ms)
        except Transient:  # for a moment after its creation a topic's leader denies being it
            if time.monotonic() > give_up_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _start_processors(
    own: Settings, quiet: Settings, servers: DemoServers, cleanup: ExitStack
) -> Stage:
    processors = Processors(own, servers.folder / "processors", servers.owner_pid)
    servers.at_end(processors.stop)
    processors.wait_until_ready()

    def check() -> None:
        servers.check()
        processors.check()

    stage = KafkaStage(quiet, processors, check)
    cleanup.callback(stage.close)
    return stage
