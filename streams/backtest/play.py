"""One rule set through history: the ordinary replay, with what it says written to the ledger."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from schemas.fields import parse_instant_ms
from streams.adapters.memory.log import Published
from streams.backtest.ledger import Action, Cancellation, Ledger, Merger, Purchase, Suppression
from streams.backtest.rule_sets import RuleSet
from streams.codec.outputs import ACTIONS
from streams.codec.rates import Rates
from streams.codec.text import format_instant
from streams.core.campaigns.attribution import WINDOW_MS
from streams.core.state import CustomerState
from streams.errors import UsageError
from streams.files.reading import EventStream
from streams.files.statements import AFTER_UNTIL
from streams.intake.reading import Limits
from streams.replay.replay import Beginning, Replay


class Period(NamedTuple):
    """From (included) to (excluded), milliseconds since 1970; orders are followed for longer."""

    from_ms: int
    to_ms: int

    @property
    def followed_ms(self) -> int:
        """Up to where history is needed, to see what came after the last action."""
        return self.to_ms + WINDOW_MS


class Played(NamedTuple):
    """What a pass amounted to. `known_ms` is up to where history tells who bought.

    `paused` maps campaigns that the blast-radius guard paused in the period to the instant.
    """

    known_ms: int
    customers: int
    refused: int
    paused: dict[str, int]


class _Offer(msgspec.Struct):
    name: str = msgspec.field(name="class")


class _Parameters(msgspec.Struct):
    voucher: _Offer | None = None


class _Said(msgspec.Struct):
    """The fields of the three messages of topic `marketing.actions` that are asked for here."""

    type: str
    customer_id: str
    campaign: str
    event_id: str = ""
    action_id: str = ""
    step: str = ""
    template: str = ""
    due_at: str = ""
    reason: str = ""
    detail: str = ""
    control_group: bool = False
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class Recorder:
    """Writes what a replay says of the period to the ledger, under the number of its rule set."""

    def __init__(self, ledger: Ledger, set_no: int, period: Period) -> None:
        self._ledger = ledger
        self._set_no = set_no
        self._period = period
        self._decode = msgspec.json.Decoder(_Said).decode

    def take(self, topic: str, record: Published) -> None:
        """Take one output; segment changes and outcomes are not asked for."""
        if topic != ACTIONS:
            return
        said = self._decode(record.value)
        decided_ms = parse_instant_ms(dict(record.headers)["ce_time"].decode())
        if said.type == "action.cancelled":
            # Of an action of the period, whenever it comes.
            self._ledger.add(Cancellation(self._set_no, said.action_id, said.reason, decided_ms))
        elif self._period.from_ms <= decided_ms < self._period.to_ms:
            self._ledger.add(self._row(said, decided_ms))

    def _row(self, said: _Said, decided_ms: int) -> Action | Suppression:
        if said.type == "action.suppressed":
            return Suppression(
                self._set_no,
                said.event_id,
                said.customer_id,
                said.campaign,
                said.step,
                said.reason,
                said.detail,
                decided_ms,
            )
        voucher = said.parameters.voucher
        return Action(
            self._set_no,
            said.action_id,
            said.customer_id,
            said.campaign,
            said.step,
            decided_ms,
            parse_instant_ms(said.due_at),
            said.template,
            voucher.name if voucher is not None else "",
            said.control_group,
        )


def play(
    rule_set: RuleSet,
    set_no: int,
    events: EventStream,
    period: Period,
    ledger: Ledger,
    limits: Limits,
    rates: Rates,
    wall_now_ms: int,
    advance: Callable[[int], None],
) -> Played:
    """Play history up to `period.followed_ms` under one rule set.

    The first one also writes who bought what: orders are the same under all. Raises `UsageError`
    where history ends before the period begins.
    """
    replay = Replay(
        rule_set.before,
        limits,
        rates,
        wall_now_ms,
        Recorder(ledger, set_no, period).take,
        lambda letter: None,
        begins=Beginning(period.from_ms, rule_set.within),
    )
    before = 0
    for taken in replay.take_all(events):
        advance(taken - before)
        before = taken
    known_ms = _known_ms(events, replay, period)
    replay.move_to(period.followed_ms)
    replay.finish()
    refused = sum(replay.counts.dead_letters.values())
    customers = 0
    for state in replay.states():
        customers += 1
        if set_no == 0:
            ledger.add_all(_purchases(state))
    paused = {name: at for name, at in sorted(replay.paused.items()) if at < period.to_ms}
    return Played(known_ms, customers, refused, paused)


def _known_ms(events: EventStream, replay: Replay, period: Period) -> int:
    """Up to where history tells who bought: it goes on behind the period, or ends within."""
    if replay.time_ms < period.from_ms:
        raise UsageError(
            f"the history ends at {format_instant(replay.time_ms)}, before --from: give an earlier one"
        )
    goes_on = events.report.left_out[AFTER_UNTIL] > 0
    return period.followed_ms if goes_on else min(replay.time_ms, period.followed_ms)


def _purchases(state: CustomerState) -> Iterator[Purchase | Merger]:
    if state.merged_into is not None:
        yield Merger(state.customer_id, state.merged_into)
        return
    whole = [(one.occurred_at_ms, one.net_minor) for one in state.orders.values() if one.counts]
    folded = state.folded.remnants.values() if state.folded is not None else ()
    whole += [(one.occurred_at_ms, one.net_minor) for one in folded if one.counts]
    for number, (at_ms, net_minor) in enumerate(sorted(whole)):
        yield Purchase(state.customer_id, number, at_ms, net_minor)
