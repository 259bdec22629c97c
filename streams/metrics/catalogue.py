"""Every metric, in one place. `python -m streams.metrics.catalogue` prints docs/metrics.md from it.

Names: prefix rfm_, units last, counters end in _total. Labels: topic, partition, and words that the
rules, the contracts or this project define; never a customer.
"""

import sys

from streams.metrics.definition import MetricDefinition, Role

_BOTH: tuple[Role, ...] = ("intake", "decide")
_ALL: tuple[Role, ...] = (*_BOTH, "deliver")
# A transaction takes 4 to 26 ms on one machine; 15 s is its timeout.
_COMMIT_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
# The goal is 0.5 s; a restart of a process takes some 10 s.
_LATENCY_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0)
# An action is worth sending for hours: a receiver that is away for a day shows in the last ones.
_DELIVERY_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 21_600.0, 86_400.0)
_SIZE_BUCKETS = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 50_000.0)

PROCESS_RESTARTS = MetricDefinition(
    name="rfm_process_restarts_total",
    kind="counter",
    help="Times this process was started again, by what ended it (fenced, killed, failed, ended).",
    roles=_ALL,
    labels=("reason",),
)
READY = MetricDefinition(
    name="rfm_ready",
    kind="gauge",
    help="1 where the processor has no reason of its own not to be ready, else 0.",
    roles=_ALL,
)
LAG_RECORDS = MetricDefinition(
    name="rfm_lag_records",
    kind="gauge",
    help="Records between this reader's position and the partition's end; no series if unknown.",
    roles=_ALL,
    labels=("topic", "partition"),
)
LAG_SECONDS = MetricDefinition(
    name="rfm_lag_seconds",
    kind="gauge",
    help="How long the oldest unread record waits, at most, as far as known; 0 where all is read.",
    roles=_ALL,
    labels=("topic", "partition"),
)
POSITION = MetricDefinition(
    name="rfm_position_offset",
    kind="gauge",
    help="Offset up to which this reader has committed the partition; the next one it takes.",
    roles=_BOTH,
    labels=("topic", "partition"),
)
DEPENDENCY_UP = MetricDefinition(
    name="rfm_dependency_up",
    kind="gauge",
    help="1 where kafka or redis answered this process when asked last (every 10 s), else 0.",
    roles=_ALL,
    labels=("dependency",),
)
GROUP_MEMBERS = MetricDefinition(
    name="rfm_group_members",
    kind="gauge",
    help="Members of each role's consumer group, as Kafka says; no series while it does not.",
    roles=_ALL,
    labels=("group",),
)
BATCH_RECORDS = MetricDefinition(
    name="rfm_batch_records",
    kind="histogram",
    help="Records read per transaction.",
    roles=_BOTH,
    buckets=_SIZE_BUCKETS,
)
TRANSACTIONS_COMMITTED = MetricDefinition(
    name="rfm_transactions_committed_total",
    kind="counter",
    help="Kafka transactions committed.",
    roles=_BOTH,
)
TRANSACTIONS_ABORTED = MetricDefinition(
    name="rfm_transactions_aborted_total",
    kind="counter",
    help="Batches given up and read again, by kind of reason; unknown_outcome may be committed.",
    roles=_BOTH,
    labels=("reason",),
)
TRANSACTIONS_FENCED = MetricDefinition(
    name="rfm_transactions_fenced_total",
    kind="counter",
    help="Times another process took over this one's name. The process ends; its successor counts.",
    roles=_BOTH,
)
COMMIT_SECONDS = MetricDefinition(
    name="rfm_commit_duration_seconds",
    kind="histogram",
    help="Duration of committing a Kafka transaction.",
    roles=_BOTH,
    buckets=_COMMIT_BUCKETS,
)
CLOCK_DIFFERENCE = MetricDefinition(
    name="rfm_clock_difference_seconds",
    kind="gauge",
    help="This clock minus the broker's, as far as the time a commit took leaves no doubt.",
    roles=_BOTH,
)
EVENT_TO_COMMIT = MetricDefinition(
    name="rfm_event_to_commit_seconds",
    kind="histogram",
    help="From intake's received_at of an event to the commit of its decision; wall clock only.",
    roles=("decide",),
    buckets=_LATENCY_BUCKETS,
)
STORE_APPLY_SECONDS = MetricDefinition(
    name="rfm_store_apply_duration_seconds",
    kind="histogram",
    help="Duration of a guarded write to Redis.",
    roles=("decide",),
    buckets=_COMMIT_BUCKETS,
)
STORE_LAG_SECONDS = MetricDefinition(
    name="rfm_store_lag_seconds",
    kind="histogram",
    help="From a commit to its states standing in Redis.",
    roles=("decide",),
    buckets=_COMMIT_BUCKETS,
)
STORE_LAG_OFFSETS = MetricDefinition(
    name="rfm_store_lag_offsets",
    kind="gauge",
    help="Offsets of rfm.state that are committed and not known to be in Redis.",
    roles=("decide",),
    labels=("partition",),
)
GUARD_OUTCOMES = MetricDefinition(
    name="rfm_store_guard_outcomes_total",
    kind="counter",
    help="Answers of Redis to guarded writes of batches; moved: before a read it stood elsewhere.",
    roles=("decide",),
    labels=("outcome",),
)
RECOVERIES = MetricDefinition(
    name="rfm_recoveries_total",
    kind="counter",
    help="Partitions recovered: on assignment, after an abort, after a loss in Redis.",
    roles=("decide",),
)
RECOVERY_FAILURES = MetricDefinition(
    name="rfm_recovery_failures_total",
    kind="counter",
    help="Recoveries begun anew because Kafka or Redis did not answer or Redis moved.",
    roles=("decide",),
)
RECOVERY_PROGRESS = MetricDefinition(
    name="rfm_recovery_progress_ratio",
    kind="gauge",
    help="Share of rfm.state read by a recovery under way; no series when there is none.",
    roles=("decide",),
    labels=("partition",),
)
PARTITIONS_OWNED = MetricDefinition(
    name="rfm_partitions_owned",
    kind="gauge",
    help="Journal partitions of this process.",
    roles=("decide",),
)
PARTITIONS_RECOVERING = MetricDefinition(
    name="rfm_partitions_recovering",
    kind="gauge",
    help="Of those, the ones being recovered.",
    roles=("decide",),
)
TIMERS_PENDING = MetricDefinition(
    name="rfm_timers_pending",
    kind="gauge",
    help="Timers set, those due included.",
    roles=("decide",),
    labels=("partition",),
)
TIMERS_OVERDUE = MetricDefinition(
    name="rfm_timers_overdue",
    kind="gauge",
    help="Timers due and not fired: more than a few for more than seconds is a backlog.",
    roles=("decide",),
    labels=("partition",),
)
TIMERS_FIRED = MetricDefinition(
    name="rfm_timers_fired_total",
    kind="counter",
    help="Timers fired.",
    roles=("decide",),
)
TICKS = MetricDefinition(
    name="rfm_ticks_total",
    kind="counter",
    help="Ticks appended to the journal because a timer was due and nothing else came.",
    roles=("decide",),
)
EVENTS = MetricDefinition(
    name="rfm_events_total",
    kind="counter",
    help="Events decided, by contract type and what became of them.",
    roles=("decide",),
    labels=("type", "note"),
)
EVENTS_LATE = MetricDefinition(
    name="rfm_events_late_total",
    kind="counter",
    help="Events older than max_event_age: taken in, but they start no campaign.",
    roles=("decide",),
)
EVENTS_DUPLICATE = MetricDefinition(
    name="rfm_events_duplicate_total",
    kind="counter",
    help="Events that were known already.",
    roles=("decide",),
)
EVENTS_FORWARDED = MetricDefinition(
    name="rfm_events_forwarded_total",
    kind="counter",
    help="Events sent on to the customer into whom theirs was merged.",
    roles=("decide",),
)
SEGMENT_CHANGES = MetricDefinition(
    name="rfm_segment_changes_total",
    kind="counter",
    help="Segment changes published; segment is the new one, none where there is none.",
    roles=("decide",),
    labels=("scheme", "cause", "segment"),
)
ACTIONS = MetricDefinition(
    name="rfm_actions_total",
    kind="counter",
    help="Actions published: requested, cancelled or suppressed, the latter two with their reason.",
    roles=("decide",),
    labels=("campaign", "kind", "reason"),
)
CAMPAIGN_OUTCOMES = MetricDefinition(
    name="rfm_campaign_outcomes_total",
    kind="counter",
    help="Outcomes of runs published, by stage (preliminary, final) and arm (addressed, control).",
    roles=("decide",),
    labels=("campaign", "stage", "arm"),
)
CAMPAIGN_PAUSED = MetricDefinition(
    name="rfm_campaign_paused",
    kind="gauge",
    help="1 while a campaign is paused, by a person or because it reached more than it should.",
    roles=("decide",),
    labels=("campaign",),
)
STATES_WRITTEN = MetricDefinition(
    name="rfm_states_written_total",
    kind="counter",
    help="Customer states committed to rfm.state.",
    roles=("decide",),
)
STATES_CACHED = MetricDefinition(
    name="rfm_states_cached",
    kind="gauge",
    help="Customer states held decoded in memory.",
    roles=("decide",),
)
SNAPSHOT_NUMBER = MetricDefinition(
    name="rfm_snapshot_number",
    kind="gauge",
    help="Number of the threshold snapshot decided under; 0 before the first.",
    roles=("decide",),
    labels=("partition",),
)
SNAPSHOTS_TAKEN = MetricDefinition(
    name="rfm_snapshots_taken_total",
    kind="counter",
    help="Threshold snapshots made from the censuses of all partitions, by the owner of partition 0.",
    roles=("decide",),
)
SWEEPS_PENDING = MetricDefinition(
    name="rfm_sweeps_pending",
    kind="gauge",
    help="Owned partitions whose customers do not all stand under the present rules and limits yet.",
    roles=("decide",),
)
CUSTOMERS_SWEPT = MetricDefinition(
    name="rfm_customers_swept_total",
    kind="counter",
    help="Customers decided anew because limits or rules had moved.",
    roles=("decide",),
)
RECORDS = MetricDefinition(
    name="rfm_records_total",
    kind="counter",
    help="Inbound records committed: journaled, dead letters, or known to be done with.",
    roles=("intake",),
)
DEAD_LETTERS = MetricDefinition(
    name="rfm_dead_letters_total",
    kind="counter",
    help="Records that could not be used, by reason (docs/producers.md lists them).",
    roles=_ALL,
    labels=("reason",),
)
EVENT_TO_JOURNAL = MetricDefinition(
    name="rfm_event_to_journal_seconds",
    kind="histogram",
    help="Age of records at the commit that journals them (mean of each batch); wall clock only.",
    roles=("intake",),
    buckets=_LATENCY_BUCKETS,
)

DELIVERY_RECORDS = MetricDefinition(
    name="rfm_delivery_records_total",
    kind="counter",
    help="Records of marketing.actions taken: requested, cancelled, suppressed, control_group, "
    "unreadable; known counts requested ones that were done before.",
    roles=("deliver",),
    labels=("kind",),
)
DELIVERIES = MetricDefinition(
    name="rfm_deliveries_total",
    kind="counter",
    help="Actions with an outcome: sent, or failed with its reason.",
    roles=("deliver",),
    labels=("channel", "outcome", "reason"),
)
DELIVERY_RETRIES = MetricDefinition(
    name="rfm_delivery_retries_total",
    kind="counter",
    help="Attempts that failed and are made again, by what failed; transport redis: look-ups.",
    roles=("deliver",),
    labels=("transport", "reason"),
)
DELIVERY_SECONDS = MetricDefinition(
    name="rfm_delivery_seconds",
    kind="histogram",
    help="From an action's decision to the receiver's answer.",
    roles=("deliver",),
    buckets=_DELIVERY_BUCKETS,
)
DELIVERY_CIRCUIT_OPEN = MetricDefinition(
    name="rfm_delivery_circuit_open",
    kind="gauge",
    help="1 while a transport's receiver fails again and again and its actions wait, else 0.",
    roles=("deliver",),
    labels=("transport",),
)
DELIVERY_PENDING = MetricDefinition(
    name="rfm_delivery_pending",
    kind="gauge",
    help="Actions read and not done.",
    roles=("deliver",),
    labels=("partition",),
)

CATALOGUE: tuple[MetricDefinition, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricDefinition)
)


def catalogue_as_markdown() -> str:
    """docs/metrics.md, whole."""
    lines = [
        "# Metrics",
        "",
        "Every processor serves `/metrics`, `/health/live` and `/health/ready` on",
        "`RFM_METRICS_HOST`:`RFM_METRICS_PORT` + its number in the process group (intake first;",
        "port 0 picks free ones). `run` prints the addresses. The usual `process_*` and `python_*`",
        "metrics of the Prometheus client stand beside these. A test keeps this page equal to",
        "`streams/metrics/catalogue.py`, which `python -m streams.metrics.catalogue` prints.",
        "",
        "| metric | type | labels | of | what |",
        "|---|---|---|---|---|",
    ]
    for one in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(
            f"| `{one.name}` | {one.kind} | {labels} | {', '.join(one.roles)} | {one.help} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(catalogue_as_markdown())
