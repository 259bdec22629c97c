"""How one customer came to be where they are: the journal folded for this customer alone.

Other customers' records only tell what time it was. Outputs are computed, not read back: by the
first invariant they are those that were published, with the same ids.
"""

from dataclasses import dataclass, field, replace

from streams.codec.journal import EVENT_TYPES
from streams.codec.state import decode_state
from streams.core import machine
from streams.core.campaigns.definition import Campaign
from streams.core.campaigns.guard import Guard
from streams.core.inputs import (
    CampaignPaused,
    CustomerEvent,
    CustomerMoved,
    GenerationBegun,
    Input,
    RulesApplied,
    SnapshotTaken,
    Sweep,
    Tick,
)
from streams.core.outputs import ActionRequested, Output
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState
from streams.errors import BrokenInvariant
from streams.insights.customers import Standing, standing_at
from streams.insights.deciding_rules import DecidingRules

PAUSED = "campaign.paused"
MOVED = "customer.moved"


@dataclass(slots=True)
class Entry:
    """One thing that happened to the customer.

    `offset` is the journal record that made it known, `event` the customer's own event or None for
    the clock. `at_ms` is when it became true: the event's own time, or the due instant; `time_ms`
    the partition's time at the decision. `note` is what became of an event, or what else there is to
    say; `rules_version` is of the rules that decided.
    """

    offset: int
    at_ms: int
    time_ms: int
    event: CustomerEvent | None
    event_type: str
    note: str
    standing: Standing
    outputs: list[Output] = field(default_factory=list)
    rules_version: int = 0


class ToldGuard(Guard):
    """Knows the pauses that the journal tells; what other customers were sent stands with nobody."""

    __slots__ = ()

    def admit(self, campaign: Campaign, now_ms: int) -> bool:
        """Nothing is too much here: where it was, the journal says so in a moment."""
        del campaign, now_ms
        return True


class HistoryFold:
    """Folds one partition of the journal for `customer_id`; feed it every record in order.

    `partition` is the number of the partition: between the action by which its guard paused a campaign
    and the record that tells, what the fold says of that campaign may have been held; a note says so.
    """

    def __init__(self, customer_id: str, partition: int | None = None) -> None:
        self.customer_id = customer_id
        self.state: CustomerState | None = None
        self.rules: Rules | None = None
        self.time_ms = 0
        self.deciding = DecidingRules()
        self._partition = partition
        self._guard = ToldGuard()
        # When each campaign last asked for an action, controls left out.
        self._requested: dict[str, int] = {}

    @property
    def rules_version(self) -> int:
        """Version of the rules in force; 0 before the first."""
        return self.rules.version if self.rules is not None else 0

    def take(self, offset: int, record: Input) -> list[Entry]:
        """Take one journal record; returns what it made happen to the customer."""
        now_ms = max(self.time_ms, record.received_at_ms)
        entries = self._let_time_pass(offset, record, now_ms)
        self.time_ms = now_ms
        if isinstance(record, CustomerEvent):
            if record.customer_id == self.customer_id:
                entries.append(self._apply(offset, record))
        elif isinstance(record, RulesApplied):
            self._take_rules(record)
        elif isinstance(record, SnapshotTaken):
            rules = self._rules()
            if record.snapshot.number > rules.snapshot_number:
                self.rules = rules.under(record.snapshot)
        elif isinstance(record, Sweep) and self.customer_id in record.customers:
            entries += self._sweep(offset)
        elif isinstance(record, CampaignPaused):
            entries += self._pause(offset, record)
        elif isinstance(record, GenerationBegun):
            self._begin_generation(record)
        elif isinstance(record, CustomerMoved) and record.customer_id == self.customer_id:
            entries.append(self._take_moved(offset, record))
        return [self._noted(entry) for entry in entries]

    def _noted(self, entry: Entry) -> Entry:
        entry.rules_version = self.rules_version
        for output in entry.outputs:
            if isinstance(output, ActionRequested) and not output.is_control:
                self._requested[output.campaign] = output.decided_at_ms
        return entry

    def _pause(self, offset: int, record: CampaignPaused) -> list[Entry]:
        """Hold a campaign from here on; told where the customer is in it, or was a moment ago."""
        name = record.campaign
        self._guard.pause(name, record.release)
        state = self.state
        if state is None:
            return []
        is_late = (
            record.partition == self._partition
            and self._requested.get(name, -1) >= record.received_at_ms
        )
        if not is_late and not any(run.campaign == name and run.is_live for run in state.runs):
            return []
        note = f"{name} paused by the guard of partition {record.partition}"
        if is_late:
            note += ": its actions since then may have been held instead, see marketing.actions"
        standing = standing_at(state, self._rules(), self.time_ms)
        return [Entry(offset, record.received_at_ms, self.time_ms, None, PAUSED, note, standing)]

    def _take_rules(self, record: RulesApplied) -> None:
        if record.version <= self.rules_version:
            return
        known, rules = self.rules, compile_rules(record.rules, record.version, self.time_ms)
        if known is not None:
            rules = replace(rules.under(known.snapshot), limits_number=known.limits_number)
        self.rules = rules
        self.deciding.take(record)

    def _begin_generation(self, record: GenerationBegun) -> None:
        rules = compile_rules(record.rules, record.rules_version, record.rules_applied_ms)
        self.rules = replace(rules.under(record.snapshot), limits_number=record.limits_number)
        self._guard.paused = dict(record.paused)
        applied_ms = record.received_at_ms
        self.deciding.take(
            RulesApplied(
                received_at_ms=applied_ms, version=record.rules_version, rules=record.rules
            )
        )

    def _take_moved(self, offset: int, record: CustomerMoved) -> Entry:
        state = self.state = decode_state(record.customer_id, record.state)
        standing = standing_at(state, self._rules(), self.time_ms)
        note = "moved here whole; what was before is told under the RFM_GENERATION before this one"
        return Entry(offset, self.time_ms, self.time_ms, None, MOVED, note, standing)

    def _sweep(self, offset: int) -> list[Entry]:
        """Decide the customer anew under moved limits or changed rules, as the journal says."""
        state, rules = self.state, self._rules()
        if state is None:
            return []
        by_rules = state.rules_version != rules.version
        step = machine.sweep(state, rules, self.time_ms, self._guard)
        if step.note != machine.APPLIED:
            return []
        standing = standing_at(state, rules, self.time_ms)
        kind = "rules" if by_rules else "population"
        return [
            Entry(offset, self.time_ms, self.time_ms, None, kind, step.note, standing, step.outputs)
        ]

    def _let_time_pass(self, offset: int, record: Input, now_ms: int) -> list[Entry]:
        state, entries = self.state, list[Entry]()
        if state is None:
            return entries
        continuous = isinstance(record, Tick) and record.continuous
        while state.next_due_ms is not None and state.next_due_ms <= now_ms:
            due_ms = state.next_due_ms
            time_ms = due_ms if continuous else now_ms
            step = machine.fire(state, due_ms, self._rules(), time_ms, self._guard)
            standing = standing_at(state, self._rules(), due_ms)
            entries.append(
                Entry(offset, due_ms, time_ms, None, "clock", step.note, standing, step.outputs)
            )
        return entries

    def _apply(self, offset: int, event: CustomerEvent) -> Entry:
        if self.state is None:
            self.state = CustomerState(self.customer_id)
        event_type = EVENT_TYPES[type(event)]
        step = machine.apply(
            self.state, event, self._rules(), self.time_ms, event_type, self._guard
        )
        standing = standing_at(self.state, self._rules(), self.time_ms)
        return Entry(
            offset,
            event.occurred_at_ms,
            self.time_ms,
            event,
            event_type,
            step.note,
            standing,
            step.outputs,
        )

    def _rules(self) -> Rules:
        if self.rules is None:
            raise BrokenInvariant(
                "the journal has events before any rules, or its beginning is gone: what happened "
                "cannot be told from what is left of it"
            )
        return self.rules
