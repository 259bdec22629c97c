"""Puts the parts together as the settings say. The only place that knows every adapter."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import stamina
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.adapters import access
from streams.adapters.kafka import access_check
from streams.adapters.kafka.log import KafkaJournalLog
from streams.adapters.kafka.names import Names
from streams.adapters.kafka.rules_log import KafkaRulesLog
from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import RedisStateStore, connect
from streams.adapters.system_clock import SystemClock
from streams.adapters.topics import CreationReport, create_topics
from streams.codec.partition import RulesRecord
from streams.codec.rates import Rates
from streams.core.rules import compile_rules
from streams.errors import Denied, Fenced, Transient, UsageError
from streams.intake.reading import Limits
from streams.rules.files import rules_text
from streams.runtime.cycle import Cycle
from streams.runtime.steps import CycleSettings, Measures, Step
from streams.settings import Settings


def names_of(settings: Settings) -> Names:
    """Physical names of an installation."""
    return Names(settings.namespace, settings.generation)


def build_store(settings: Settings) -> RedisStateStore:
    """The state store in Redis."""
    return RedisStateStore(
        connect(settings.redis_url.get_secret_value()),
        Keys(settings.namespace),
        names_of(settings).journal,
    )


def build_rules_log(settings: Settings) -> KafkaRulesLog:
    """Where rules are read and journaled."""
    return KafkaRulesLog(settings.kafka_config(), names_of(settings), settings.partitions)


def build_rates(settings: Settings) -> Rates:
    """Exchange rates into the base currency."""
    return Rates(
        settings.base_currency,
        {code: list(dated.items()) for code, dated in settings.exchange_rates.items()},
    )


@dataclass(slots=True)
class Decider:
    """A decide process's cycle with what it holds open."""

    cycle: Cycle
    log: KafkaJournalLog
    state_log: KafkaStateLog
    store: RedisStateStore

    def close(self) -> None:
        """Leave the group and close every connection."""
        self.cycle.close()
        self.log.close()
        self.state_log.close()


def build_decider(
    settings: Settings,
    instance: str,
    measures: Measures,
    observe: Callable[[Step], None] = lambda step: None,
) -> Decider:
    """The decider called `instance`, on Kafka and Redis."""
    base, names = settings.kafka_config(), names_of(settings)
    store = build_store(settings)
    store.check()
    log = KafkaJournalLog(base, names, instance, leaves=settings.leave_on_stop)
    state_log = KafkaStateLog(base, names.topic("rfm.state"))
    cycle = Cycle(log, state_log, store, SystemClock(), measures, cycle_settings(settings), observe)
    return Decider(cycle, log, state_log, store)


def cycle_settings(settings: Settings) -> CycleSettings:
    """Bounds of the cycle."""
    return CycleSettings(
        max_records=settings.max_batch_records,
        cached_states=settings.cached_states,
        # Under the event clock intake alone says what time it is.
        ticks=settings.clock == "wall",
        partitions=settings.partitions,
    )


def topic_partitions(settings: Settings) -> dict[str, int]:
    """Partition counts by topic: the setting for all that are keyed by customer."""
    return {topic.name: settings.partitions for topic in TOPICS if topic.partitions > 1}


def ensure_topics(settings: Settings) -> CreationReport:
    """Create the topics that are missing; raises where an existing one does not fit."""
    return create_topics(
        AdminClient(settings.kafka_config()),
        settings.namespace,
        settings.generation,
        partitions=topic_partitions(settings),
        replication_factor=settings.replication_factor,
    )


def check_access(settings: Settings, roles: Iterable[str]) -> None:
    """Raise `Denied` where Kafka does not allow our login all that the roles need of topics."""
    needed = [access.ROLE_BY_NAME[role] for role in sorted(roles)]
    access_check.check_access(settings.kafka_config(), names_of(settings), needed)


def rules_time_ms(settings: Settings) -> int:
    """The journal time of rules: now, or under the event clock 0, because they say nothing of time."""
    return SystemClock().now_ms() if settings.clock == "wall" else 0


def ensure_rules(settings: Settings) -> RulesRecord:
    """The rules in force; on the very first start those of the settings become version 1."""
    text, log = rules_text(settings), build_rules_log(settings)
    # A context and no decorator, whose default hooks log the arguments: settings hold secrets.
    # Fenced: another process journaled the first rules at the same moment, and they are there now.
    for attempt in stamina.retry_context(on=(Transient, Fenced), attempts=20, timeout=30.0):
        with attempt:
            record = _journaled(log, text, settings)
    check_base_currency(record, text)
    return record


def _journaled(log: KafkaRulesLog, text: str, settings: Settings) -> RulesRecord:
    try:
        return log.ensure(text, rules_time_ms(settings))
    except Denied as error:
        raise Denied(
            "no rules are journaled yet, and this login may not do it: run `rfm-streams rules "
            f"apply` under the role rules ({error})"
        ) from error


def check_base_currency(journaled: RulesRecord, text: str) -> None:
    """Refuse another base currency than the journal's: its sums cannot be told in two."""
    known = compile_rules(journaled.rules, journaled.version).base_currency
    wanted = compile_rules(text, journaled.version).base_currency
    if wanted != known:
        raise UsageError(
            f"this journal's sums are in {known}, RFM_BASE_CURRENCY says {wanted}: set it back, or "
            "begin another journal (RFM_NAMESPACE or RFM_GENERATION) and publish the history anew"
        )


def limits_of(settings: Settings) -> Limits:
    """What intake refuses beyond the contracts."""
    return Limits(
        max_bytes=settings.max_record_bytes,
        future_ms=settings.future_tolerance_s * 1000,
        guest_ids=settings.guest_customer_ids,
    )
