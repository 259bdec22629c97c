"""Puts intake together as the settings say."""

from collections.abc import Callable
from dataclasses import dataclass

from streams import VERSION
from streams.adapters.kafka.intake_log import KafkaIntakeLog
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_rates, limits_of, names_of
from streams.intake.conversion import Converter
from streams.intake.cycle import IntakeCycle, IntakeSettings, Step, Timing
from streams.intake.event_clock import EventClock
from streams.intake.ports import IntakeMeasures
from streams.intake.wall_clock import WallClock
from streams.settings import Settings

EVENT_INSTANCE = "event"
"""Under the event clock there is one intake, whatever its process is called: the newest of them
fences the others."""


@dataclass(slots=True)
class Intake:
    """An intake process's cycle with what it holds open."""

    cycle: IntakeCycle
    log: KafkaIntakeLog

    def close(self) -> None:
        """Leave the group and close every connection."""
        self.log.close()


def build_intake(
    settings: Settings,
    instance: str,
    measures: IntakeMeasures,
    observe: Callable[[Step], None] = lambda step: None,
) -> Intake:
    """The intake called `instance`, on Kafka.

    Raises UsageError where a public topic is missing, Transient where Kafka does not answer.
    """
    is_event_clock = settings.clock == "event"
    converter = build_converter(settings)
    timing: Timing = (
        EventClock(converter, settings.partitions) if is_event_clock else WallClock(converter)
    )
    log = KafkaIntakeLog(
        settings.kafka_config(),
        names_of(settings),
        EVENT_INSTANCE if is_event_clock else instance,
        leaves=settings.leave_on_stop,
    )
    cycle = IntakeCycle(log, timing, SystemClock(), measures, intake_settings(settings), observe)
    return Intake(cycle, log)


def build_converter(settings: Settings) -> Converter:
    """What turns records into journal records, by the installation's limits and rates."""
    return Converter(limits=limits_of(settings), rates=build_rates(settings), version=VERSION)


def intake_settings(settings: Settings) -> IntakeSettings:
    """Bounds of the cycle."""
    return IntakeSettings(
        max_records=settings.max_batch_records,
        # Under the event clock journal time has nothing to do with the broker's.
        max_clock_difference_s=None
        if settings.clock == "event"
        else settings.max_clock_difference_s,
    )
