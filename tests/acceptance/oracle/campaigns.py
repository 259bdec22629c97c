"""What campaigns do with one customer, told event by event from the files and the specification.

Naive on purpose: plain lists, everything added up anew at each instant, one customer at a time. What
happened and how segments changed is given; both are judged elsewhere. Every decision of campaigns is
this module's own.

At one instant: timers before the event; facts, then segments, then ends and starts of campaigns, then
steps by due instant, priority and name. A span of d holds while now < instant + d.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from .customer_facts import Facts, Order, Return
from .rule_trees import holds
from .shop_clock import end_of_quiet, is_quiet, later_by_days, next_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .campaign_files import Campaign, Policy, Step, Trigger, Variant

_TEN_THOUSAND = 10_000
_NOWHERE: frozenset[str] = frozenset()
_BETTER_FIRST = {
    "rfm": ("Champions", "Loyal Customers", "Potential Loyalists", "At Risk", "Lost Customers"),
    "loyalty": ("VIP", "Frequent Buyer", "Loyal Customer", "One Time Buyer"),
    "value": ("A", "B", "C"),
}
# A step without `rounds` is repeated so often.
_MOST_ROUNDS = 52


class Change(NamedTuple):
    """A customer's segments in one scheme became others; flags are several."""

    scheme: str
    before: frozenset[str]
    after: frozenset[str]


class Happening(NamedTuple):
    """One instant of a customer's life. `cause`: event, backfill, clock or population.

    `event`: its type, for what the customer did; `fact`: what that adds. An event of a back-fill
    happens, here, when it is taken in; its fact knows when it occurred.
    """

    at_ms: int
    cause: str
    changes: tuple[Change, ...] = ()
    event: str | None = None
    fact: Order | Return | None = None


class Told(NamedTuple):
    """An action asked for (`reason` is empty), or one that a rule held back."""

    customer: str
    campaign: str
    step: str
    decided_ms: int
    reason: str
    due_ms: int | None = None
    valid_until_ms: int | None = None
    template: str = ""
    offer: str | None = None
    is_control: bool = False


class Shop(NamedTuple):
    """What holds for all customers.

    `campaigns`: those that may start. `calendar`: when schedules come round, as (ms, campaign), sorted.
    """

    campaigns: Mapping[str, Campaign]
    calendar: Sequence[tuple[int, str]]
    policy: Policy
    zone: str
    consent_unknown: Mapping[str, str]


def told_about(
    customer: str,
    happenings: Sequence[Happening],
    shop: Shop,
    until_ms: int,
    standstills: Sequence[tuple[int, int]] = (),
) -> list[Told]:
    """Every action and suppression of one customer up to and including `until_ms`, in order.

    `happenings` in order, each by the clock before others of its instant. `standstills`: spans in
    which nobody decided; what was due after the first and up to the second instant is decided at
    the second. Raises ValueError for what a file of orders and returns cannot bring, and this oracle
    therefore does not know.
    """
    life = _Life(customer, shop, tuple(standstills))
    for happening in happenings:
        # What is due at that very instant comes first, unless it is the clock that changes segments.
        last_ms = happening.at_ms - (happening.cause == "clock")
        life.pass_time(last_ms)
        life.take(happening)
    life.pass_time(until_ms)
    return life.told


def is_control(campaign: str, customer: str, percent: int) -> bool:
    """Whether a customer belongs to a campaign's control group, for ever."""
    said = f"7:control{len(campaign)}:{campaign}{len(customer)}:{customer}"
    drawn = int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), "big")
    return drawn % _TEN_THOUSAND < percent * 100


@dataclass
class _Run:
    """A way through one campaign. `due_ms` is the plan of the next step, `held_ms` a later instant."""

    campaign: Campaign
    trigger: Trigger
    started_ms: int
    at_step: int = 0
    round: int = 0
    due_ms: int = 0
    held_ms: int = 0

    @property
    def step(self) -> Step:
        return self.campaign.steps[self.at_step]

    @property
    def wakes_ms(self) -> int:
        return max(self.due_ms, self.held_ms)


@dataclass
class _Life:
    customer: str
    shop: Shop
    standstills: tuple[tuple[int, int], ...] = ()
    told: list[Told] = field(default_factory=list)
    now_ms: int = 0
    known: bool = False
    orders: list[Order] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    segments: dict[str, frozenset[str]] = field(default_factory=dict)
    runs: list[_Run] = field(default_factory=list)
    pending: list[tuple[Campaign, Trigger]] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    group_starts: dict[str, int] = field(default_factory=dict)
    muted_until: dict[str, int] = field(default_factory=dict)
    actions: list[tuple[int, Campaign]] = field(default_factory=list)

    # -- time --------------------------------------------------------------------------------------

    def pass_time(self, until_ms: int) -> None:
        while (due_ms := self._next_ms()) is not None and due_ms <= until_ms:
            self.take(Happening(due_ms, "clock"))
        self.now_ms = max(self.now_ms, until_ms)

    @property
    def decided_ms(self) -> int:
        """When what is due now is decided: at once, or as a standstill ends."""
        ends = [end_ms for from_ms, end_ms in self.standstills if from_ms < self.now_ms <= end_ms]
        return ends[0] if ends else self.now_ms

    def _next_ms(self) -> int | None:
        found = [run.wakes_ms for run in self.runs]
        if self.known:
            ahead = bisect_right(self.shop.calendar, self.now_ms, key=lambda one: one[0])
            found += [at_ms for at_ms, _ in self.shop.calendar[ahead : ahead + 1]]
        return min(found, default=None)

    def _by_priority(self) -> list[Campaign]:
        return sorted(self.shop.campaigns.values(), key=lambda one: (one.priority, one.name))

    def take(self, happening: Happening) -> None:
        self.now_ms = happening.at_ms
        if happening.event is not None:
            self.known = True
        if isinstance(happening.fact, Order):
            self.orders.append(happening.fact)
        elif happening.fact is not None:
            self.returns.append(happening.fact)
        for change in happening.changes:
            self.segments[change.scheme] = change.after
        self._end_runs(happening)
        self._start_runs(happening)
        self._fire_steps()

    # -- what is known -----------------------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        return Facts(self.now_ms, tuple(self.orders), tuple(self.returns))

    def _meets(self, tree: dict[str, object] | None) -> bool:
        return holds(tree, self.facts, self.segments)

    def _was_active_within(self, span_ms: int, asked_ms: int) -> bool:
        seen = [one.at_ms for one in self.orders] + [one.at_ms for one in self.returns]
        return any(asked_ms < at_ms + span_ms for at_ms in seen)

    def _is_in(self, trigger: Trigger) -> bool:
        return trigger.segment in self.segments.get(trigger.scheme, _NOWHERE)

    # -- ends --------------------------------------------------------------------------------------

    def _end_runs(self, happening: Happening) -> None:
        self.runs = [run for run in self.runs if not self._ends(run, happening)]
        self.pending = [one for one in self.pending if self._is_in(one[1])]

    def _ends(self, run: _Run, happening: Happening) -> bool:
        campaign = run.campaign
        entered = {
            (change.scheme, segment)
            for change in happening.changes
            for segment in change.after - change.before
        }
        return (
            (
                campaign.leaving_ends
                and run.trigger.kind == "enters"
                and not self._is_in(run.trigger)
            )
            or bool(entered & set(campaign.exit_segments))
            or any(
                event == happening.event and self._meets(when)
                for event, when in campaign.exit_events
            )
        )

    # -- starts ------------------------------------------------------------------------------------

    def _start_runs(self, happening: Happening) -> None:
        for campaign in self._by_priority():
            starting = [one for one in campaign.triggers if self._starts(campaign, one, happening)]
            if starting:
                self._start(campaign, starting[0])

    def _starts(self, campaign: Campaign, trigger: Trigger, happening: Happening) -> bool:
        if trigger.kind == "schedule":
            comes_round = (self.now_ms, campaign.name) in self.shop.calendar
            by_clock = self.known and happening.cause == "clock"
            return by_clock and comes_round and self._is_meant(campaign, trigger)
        if trigger.kind == "event":
            is_live = happening.cause == "event" and trigger.event == happening.event
            return is_live and self._is_meant(campaign, trigger)
        if trigger.kind not in {"enters", "leaves"}:
            message = f"{campaign.name}: teach the oracle the trigger {trigger.kind}"
            raise ValueError(message)
        if any(_matches(trigger, change) for change in happening.changes):
            if happening.cause in trigger.causes:
                return True
            if trigger.kind == "enters":
                self.pending.append((campaign, trigger))
        elif (happening.cause, happening.event) == ("event", "order.placed"):
            waited = (campaign, trigger) in self.pending
            self.pending = [one for one in self.pending if one != (campaign, trigger)]
            return waited
        return False

    def _is_meant(self, campaign: Campaign, trigger: Trigger) -> bool:
        """Whom an event or a calendar starts nothing for was never meant: nothing is held back."""
        return self._meets(trigger.when) and self._meets(campaign.when)

    def _start(self, campaign: Campaign, trigger: Trigger) -> None:
        # Whom it is not for was never to be sent anything.
        if not self._meets(campaign.when):
            return
        reason = self._why_not_started(campaign)
        if reason:
            self.told.append(
                Told(self.customer, campaign.name, campaign.steps[0].name, self.decided_ms, reason)
            )
            return
        run = _Run(campaign, trigger, self.now_ms)
        run.due_ms = self._planned(run)
        self.runs.append(run)
        self.starts[campaign.name] = self.now_ms
        if campaign.group is not None:
            self.group_starts[campaign.group] = self.now_ms
        for tag in campaign.mutes:
            until_ms = self.now_ms + campaign.mutes_for_ms
            self.muted_until[tag] = max(self.muted_until.get(tag, 0), until_ms)

    def _why_not_started(self, campaign: Campaign) -> str:
        if self.decided_ms - self.now_ms > campaign.max_start_delay_ms:
            return "late_start"
        if campaign.quiet_ms and self._was_active_within(campaign.quiet_ms, self.now_ms):
            return "recent_event"
        if any(run.campaign == campaign for run in self.runs):
            return "already_running"
        started_ms = self.starts.get(campaign.name)
        if started_ms is not None and (
            campaign.re_entry_ms is None or self.now_ms < started_ms + campaign.re_entry_ms
        ):
            return "re_entry"
        if campaign.group is None:
            return ""
        if any(run.campaign.group == campaign.group for run in self.runs):
            return "group_running"
        grouped_ms = self.group_starts.get(campaign.group)
        if grouped_ms is not None and self.now_ms < grouped_ms + campaign.group_gap_ms:
            return "group_gap"
        return ""

    # -- steps -------------------------------------------------------------------------------------

    def _planned(self, run: _Run) -> int:
        step = run.step
        passed_ms = run.round * (step.every_ms or 0)
        due_ms = run.started_ms + step.after_ms
        if step.minute is None:
            return due_ms + passed_ms
        first_ms = next_time(due_ms, step.minute, self.shop.zone, step.weekdays)
        # By the calendar: every fortnight at nine is at nine in summer as well, on the same weekday.
        again_ms = later_by_days(first_ms, passed_ms, self.shop.zone)
        return next_time(again_ms, step.minute, self.shop.zone, step.weekdays)

    def _fire_steps(self) -> None:
        while ready := [run for run in self.runs if run.wakes_ms <= self.now_ms]:
            first = min(
                ready, key=lambda run: (run.wakes_ms, run.campaign.priority, run.campaign.name)
            )
            self._fire(first)

    def _fire(self, run: _Run) -> None:
        campaign, step = run.campaign, run.step
        variant = next((one for one in step.variants if self._meets(one.when)), None)
        reason = self._why_not_fired(run, variant)
        if reason:
            self.told.append(Told(self.customer, campaign.name, step.name, self.decided_ms, reason))
        elif variant is not None and variant.does == "stop":
            self.runs.remove(run)
            return
        elif variant is not None and variant.does == "act":
            free_ms = self._free_ms(campaign)
            if free_ms > self.decided_ms and campaign.caps == "drop":
                self.told.append(
                    Told(self.customer, campaign.name, step.name, self.decided_ms, "cap")
                )
            elif free_ms > self.decided_ms:
                run.held_ms = free_ms
                return
            else:
                self._act(run, variant)
        self._go_on(run)

    def _act(self, run: _Run, variant: Variant) -> None:
        campaign, step = run.campaign, run.step
        self.actions.append((self.decided_ms, campaign))
        self.told.append(
            Told(
                self.customer, campaign.name, step.name, self.decided_ms, "",
                run.due_ms, run.due_ms + step.valid_for_ms, variant.template, variant.offer,
                is_control(campaign.name, self.customer, campaign.control_percent),
            )
        )  # fmt: skip

    def _why_not_fired(self, run: _Run, variant: Variant | None) -> str:
        campaign = run.campaign
        if self.decided_ms >= run.due_ms + run.step.valid_for_ms:
            return "expired"
        if not self._meets(campaign.when):
            return "condition"
        if campaign.quiet_ms and self._was_active_within(campaign.quiet_ms, self.decided_ms):
            return "recent_event"
        if variant is None or variant.does != "act":
            return ""
        if campaign.tags & self._muted_tags():
            return "muted"
        if not any(self._has_consent(channel) for channel in campaign.channels):
            return "no_consent"
        policy = self.shop.policy
        if variant.offer is not None and variant.offer not in policy.perks and policy.needs_costs:
            return "below_margin"
        return ""

    def _muted_tags(self) -> frozenset[str]:
        by_runs = {tag for tag, until_ms in self.muted_until.items() if self.decided_ms < until_ms}
        by_segments = [
            tags
            for scheme, segment, tags in self.shop.policy.mutes
            if segment in self.segments.get(scheme, _NOWHERE)
        ]
        return _NOWHERE.union(by_runs, *by_segments)

    def _has_consent(self, channel: str) -> bool:
        known = self.shop.consent_unknown.get(channel, "deny")
        return known == "allow" or (known == "after_purchase" and bool(self.orders))

    def _free_ms(self, campaign: Campaign) -> int:
        """The first instant from now on at which neither quiet hours nor a cap stand against it."""
        policy, now_ms = self.shop.policy, self.decided_ms
        hours = policy.quiet_hours
        if campaign.keeps_quiet_hours and hours and is_quiet(now_ms, hours, self.shop.zone):
            return end_of_quiet(now_ms, hours, self.shop.zone)
        if campaign.caps == "none":
            return now_ms
        free_ms = now_ms
        for cap in policy.caps:
            inside = [at_ms for at_ms, _ in self.actions if now_ms < at_ms + cap.per_ms]
            if len(inside) >= cap.actions:
                # The oldest of those that fill it makes room.
                free_ms = max(free_ms, sorted(inside)[-cap.actions] + cap.per_ms)
        return free_ms

    def _go_on(self, run: _Run) -> None:
        step = run.step
        run.held_ms = 0
        if step.every_ms is not None and run.round + 1 < (step.rounds or _MOST_ROUNDS):
            run.round += 1
        elif run.at_step + 1 < len(run.campaign.steps):
            run.at_step, run.round = run.at_step + 1, 0
        else:
            self.runs.remove(run)
            return
        run.due_ms = self._planned(run)


def _matches(trigger: Trigger, change: Change) -> bool:
    if change.scheme != trigger.scheme:
        return False
    gone, come = change.before - change.after, change.after - change.before
    if trigger.segment not in (come if trigger.kind == "enters" else gone):
        return False
    if trigger.origins is not None and not change.before & set(trigger.origins):
        return False
    return trigger.direction is None or trigger.direction == _direction(change)


def _direction(change: Change) -> str:
    """Up or down. Who comes from nowhere goes up, who goes there goes down."""
    order = _BETTER_FIRST[change.scheme]

    def rank(segments: Iterable[str]) -> int:
        return min((order.index(one) for one in segments), default=len(order))

    return "up" if rank(change.after) < rank(change.before) else "down"
