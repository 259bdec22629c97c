"""What intake measures: `IntakeMeasures` of its cycle, on Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from schemas.dead_letters import Reason
from streams.intake.ports import Source
from streams.metrics import catalogue as c
from streams.metrics.shared import SharedMetrics, remove_series
from streams.ports import Clock


class IntakeMetrics(SharedMetrics):
    """One per process. Called by the main loop only; scraped from another thread."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        super().__init__(registry)
        self._clock = clock
        self._shown: set[Source] = set()
        self._positioned: set[Source] = set()
        self._caught_up_at_s: dict[Source, float] = {}
        self._last_commit_s = clock.monotonic_s()
        self._last_age_s = 0.0
        self._records = c.RECORDS.counter(registry)
        self._dead_letters = c.DEAD_LETTERS.counter(registry)
        for reason in Reason:
            # A series that begins with its first dead letters shows no rise, and so no alert.
            self._dead_letters.labels(reason.value)
        self._event_to_journal = c.EVENT_TO_JOURNAL.histogram(registry)

    def polled(self, records: int) -> None:
        """A batch of so many records is being worked on."""
        self._batch_records.observe(records)

    def committed(self, records: int, seconds: float, event_to_journal_s: float | None) -> None:
        """A batch is committed."""
        self._last_commit_s = self._clock.monotonic_s()
        self._transactions_committed.inc()
        self._commit_seconds.observe(seconds)
        self._records.inc(records)
        self._last_age_s = event_to_journal_s or 0.0
        if event_to_journal_s is not None:
            self._event_to_journal.observe(event_to_journal_s, records)

    def dead_letter(self, reason: Reason) -> None:
        """One committed dead letter."""
        self._dead_letters.labels(reason.value).inc()

    def owned(self, unread: Mapping[Source, int], positions: Mapping[Source, int]) -> None:
        """Unread records and committed positions by source, as far as known."""
        now_s = self._clock.monotonic_s()
        for topic, partition in self._positioned - positions.keys():
            remove_series(self._position, topic, str(partition))
        self._positioned = set(positions)
        for (topic, partition), offset in positions.items():
            self._position.labels(topic, str(partition)).set(offset)
        if unread.keys() != self._shown:
            for topic, partition in self._shown - unread.keys():
                self._caught_up_at_s.pop((topic, partition), None)
                remove_series(self._lag_records, topic, str(partition))
                remove_series(self._lag_seconds, topic, str(partition))
            self._shown = set(unread)
        for source, count in unread.items():
            caught_up_s = self._caught_up_at_s.get(source)
            if not count or caught_up_s is None:
                caught_up_s = self._caught_up_at_s[source] = now_s
            # The age of what was journaled last and the time since, but never longer than something
            # has been unread here.
            waited_s = min(now_s - caught_up_s, self._last_age_s + now_s - self._last_commit_s)
            labels = source[0], str(source[1])
            self._lag_records.labels(*labels).set(count)
            self._lag_seconds.labels(*labels).set(waited_s if count else 0.0)
