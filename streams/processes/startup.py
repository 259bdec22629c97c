"""What must be there before a processor runs: Kafka, Redis, topics, rules."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import redis
import stamina
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.cluster import fetch_topics
from streams.adapters.redis.store import connect, mapped, ping
from streams.bootstrap import check_access, ensure_rules, ensure_topics
from streams.codec.partition import RulesRecord
from streams.core.campaigns.limits import CHANNELS_WITHOUT_CONSENT
from streams.core.rules import Rules, compile_rules
from streams.errors import Transient, UsageError
from streams.rules.arming import carry_over
from streams.rules.files import rules_text
from streams.settings import Settings

# A broker that restarts is back within a minute; after this a person should look.
PATIENCE_S = 300.0
_ANSWER_S = 3.0

Result = TypeVar("Result")


def retry_while_absent(attempt: Callable[[], Result], patience_s: float = PATIENCE_S) -> Result:
    """Try until it works or patience ends; every failure is logged with its cause."""
    for retry in stamina.retry_context(
        on=Transient,
        attempts=None,
        timeout=patience_s,
        wait_initial=0.5,
        wait_max=5.0,
        wait_jitter=0.5,
    ):
        with retry:
            return attempt()
    raise AssertionError("stamina ends by a result or an error")


def check_kafka(settings: Settings) -> None:
    """Raise `Transient` unless the cluster answers, `UsageError` where it refuses the login."""
    fetch_topics(settings.kafka_config(), _ANSWER_S)


def check_redis(settings: Settings) -> None:
    """Raise `Transient` unless Redis answers, `UsageError` where its URL or the login is none."""
    url = settings.redis_url.get_secret_value()
    try:
        # In a cluster connecting asks its nodes already.
        with mapped(), connect(url, timeout_s=_ANSWER_S) as client:
            ping(client)
    except ValueError as error:
        raise UsageError(f"settings: redis_url: {error} (set RFM_REDIS_URL)") from None
    except (Transient, redis.RedisError) as error:
        said = str(error) if isinstance(error, Transient) else f"Redis does not answer: {error}"
        raise Transient(
            f"{said}: check that it runs, and RFM_REDIS_URL (rediss:// where it speaks TLS)"
        ) from error


def prepare(settings: Settings, roles: Iterable[str]) -> None:
    """Wait for Kafka and Redis, create missing topics, journal the first rules; say what was done.

    `roles` are those that this process runs, or its workers.

    Raises `UsageError` where topics or rule files do not fit, `Transient` when patience ends.
    """
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("streams")
    check_client_settings(settings)
    own = rules_text(settings)
    retry_while_absent(lambda: check_kafka(settings))
    retry_while_absent(lambda: check_redis(settings))
    retry_while_absent(lambda: check_access(settings, roles))
    report = retry_while_absent(lambda: ensure_topics(settings))
    if report.created:
        log.info("topics created", topics=list(report.created))
    for difference in report.mismatched:
        log.warning(
            "a topic's setting differs from the table; it is left alone",
            topic=difference.topic,
            setting=difference.setting,
            wanted=difference.wanted,
            found=difference.found,
        )
    _report_rules(ensure_rules(settings), own, log)


def check_client_settings(settings: Settings) -> None:
    """Raise `UsageError` where librdkafka does not know a setting of RFM_KAFKA."""
    try:
        AdminClient(settings.kafka_config())
    except KafkaException as error:
        raise UsageError(f"settings: kafka: {error.args[0].str()} (set RFM_KAFKA)") from None


def _report_rules(
    record: RulesRecord, own: str, log: structlog.typing.FilteringBoundLogger
) -> None:
    log.info("rules in force", version=record.version)
    try:
        is_same = record.rules == carry_over(own, record.rules)
    except UsageError as error:
        is_same = False
        log.warning("`rfm-streams rules apply` would refuse these files", cause=str(error))
    if not is_same:
        log.warning(
            "the rules in force differ from those of these settings and files, which do nothing "
            "until `rfm-streams rules apply`",
            version=record.version,
        )
    silent = unreachable_campaigns(compile_rules(record.rules, record.version))
    if silent:
        log.warning(
            "these campaigns reach only customers who said yes (consent.changed): every channel "
            "they use denies unknown consent; RFM_CONSENT_UNKNOWN and `rfm-streams rules apply` "
            "change that",
            campaigns=silent,
        )


def unreachable_campaigns(rules: Rules) -> list[str]:
    """Campaigns that reach nobody unless customers consent, since every channel denies."""
    return sorted(
        campaign.name
        for campaign in rules.book.current.values()
        if all(
            channel not in CHANNELS_WITHOUT_CONSENT
            and rules.policy.consent_unknown.get(channel, "deny") == "deny"
            for channel in campaign.channels
        )
    )
