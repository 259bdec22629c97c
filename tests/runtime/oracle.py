"""The oracle: one partition's journal folded straight through the pure core.

No batches, heap, cache, log or store: the next timer is looked for among all customers each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.codec.journal import EVENT_TYPES, decode_input
from streams.codec.outputs import Message, OutputEncoder
from streams.codec.state import encode_state
from streams.core import machine
from streams.core.inputs import CustomerEvent, Input, RulesApplied, Tick
from streams.core.outputs import Forwarded, NotForwarded, Output
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState


@dataclass
class Folded:
    """What a partition's journal amounts to."""

    time_ms: int = 0
    rules: Rules | None = None
    states: dict[str, CustomerState] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)

    @property
    def encoded(self) -> dict[str, bytes]:
        return {key: encode_state(state) for key, state in self.states.items()}

    @property
    def timers(self) -> list[tuple[int, str]]:
        return sorted(
            (state.next_due_ms, key)
            for key, state in self.states.items()
            if state.next_due_ms is not None
        )

    @property
    def messages(self) -> list[Message]:
        encoder = OutputEncoder("EUR")
        # What goes on to another partition of the journal (merges) is no message.
        inward = (Forwarded, NotForwarded)
        return [encoder.encode(one) for one in self.outputs if not isinstance(one, inward)]

    def take(self, record: Input) -> None:
        """Fold one more record in."""
        now_ms = max(self.time_ms, record.received_at_ms)
        self._fire(now_ms, continuous=isinstance(record, Tick) and record.continuous)
        self.time_ms = now_ms
        if isinstance(record, RulesApplied):
            if self.rules is None or record.version > self.rules.version:
                self.rules = compile_rules(record.rules, record.version)
        elif isinstance(record, CustomerEvent):
            assert self.rules is not None
            customer_id = record.customer_id
            state = self.states.setdefault(customer_id, CustomerState(customer_id))
            kind = EVENT_TYPES[type(record)]
            self.outputs += machine.apply(state, record, self.rules, now_ms, kind).outputs

    def _fire(self, now_ms: int, *, continuous: bool) -> None:
        while self.timers and self.timers[0][0] <= now_ms:
            assert self.rules is not None
            due_ms, customer_id = self.timers[0]
            at_ms = due_ms if continuous else now_ms
            step = machine.fire(self.states[customer_id], due_ms, self.rules, at_ms)
            self.outputs += step.outputs


def fold(records: Iterable[Input | bytes]) -> Folded:
    """Fold a partition's records, decoded or as they stand in the journal."""
    folded = Folded()
    for record in records:
        # Decoded anew each time: no two folds share a list.
        folded.take(decode_input(record) if isinstance(record, bytes) else record)
    return folded
