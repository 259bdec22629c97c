"""The rules a partition decides by, compiled from the journaled record.

Rules are one JSON document: schemes, campaigns, and how the population is counted. `compile_rules`
checks what would make deciding impossible; what would merely be unwise is checked where the files
are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streams.core.campaigns.book import Book, compile_book
from streams.core.campaigns.policy import Policy, compile_policy
from streams.core.campaigns.upcoming import Upcoming
from streams.core.population.snapshot import Snapshot
from streams.core.schemes import (
    attributes,
    behaviour,
    frequency,
    lifecycle,
    loyalty,
    maps,
    value,
)
from streams.core.schemes.scheme import Compile, Scheme, Shop

# Scheme `rfm` always runs, and shipped campaigns refer to it.
RFM = "rfm"

_KINDS: dict[str, Compile] = {
    "map": maps.compile_scheme,
    "loyalty": loyalty.compile_scheme,
    "value": value.compile_scheme,
    "lifecycle": lifecycle.compile_scheme,
    "frequency": frequency.compile_scheme,
    "behaviour": behaviour.compile_scheme,
    "attributes": attributes.compile_scheme,
}


class RulesError(ValueError):
    """The rules cannot be decided by; the message says which entry and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Durations in milliseconds, money in minor units of the base currency.

    `applied_ms` is the partition's time at which they came. `schemes` are in the order in which they
    are asked, under the limits of `snapshot`. `limits_number` is the number of the snapshot that
    moved any of them last. Without `uses_population` nobody is counted and no snapshot is taken;
    `counts_value` where the figures of the value window are counted too.
    """

    version: int
    applied_ms: int
    snapshot: Snapshot | None
    limits_number: int
    base_currency: str
    window_ms: int
    value_window_ms: int
    history_margin_ms: int
    duplicates_ms: int
    count_zero_value_orders: bool
    schemes: tuple[Scheme, ...]
    uses_population: bool
    counts_value: bool
    snapshot_every_ms: int
    value_shares_percent: tuple[int, ...]
    sweep_customers_per_s: int
    max_event_age_ms: int
    cart_abandoned_after_ms: int
    policy: Policy
    book: Book
    upcoming: Upcoming

    @property
    def snapshot_number(self) -> int:
        """Number of the snapshot decided under; 0 before the first."""
        return self.snapshot.number if self.snapshot is not None else 0

    def under(self, snapshot: Snapshot | None) -> "Rules":
        """The same rules with the limits of a snapshot.

        Where these are the present ones nobody needs to be decided anew, so the number stays.
        """
        schemes = tuple(scheme.under(snapshot) for scheme in self.schemes)
        moved = schemes != self.schemes
        number = snapshot.number if snapshot is not None and moved else self.limits_number
        return replace(self, snapshot=snapshot, schemes=schemes, limits_number=number)

    def scheme(self, name: str) -> Scheme:
        """A scheme by its name; KeyError where it does not run."""
        for scheme in self.schemes:
            if scheme.name == name:
                return scheme
        raise KeyError(name)


def compile_rules(text: str, version: int, applied_ms: int = 0) -> Rules:
    """Rules from their journaled JSON text; raises `RulesError` naming the entry that is wrong."""
    try:
        raw: dict[str, Any] = json.loads(text)
        return _compile(raw, version, applied_ms)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, RulesError):
            raise
        raise RulesError(f"rules version {version}: {type(error).__name__}: {error}") from error


def _compile(raw: Mapping[str, Any], version: int, applied_ms: int) -> Rules:
    population = raw["population"]
    shop = Shop(
        int(raw["window_ms"]),
        int(population["minimum_customers"]),
        int(population["minimum_history_ms"]),
        bool(raw["count_zero_value_orders"]),
    )
    schemes = _compile_schemes(raw["schemes"], shop)
    book = compile_book(raw["campaigns"], raw["retired"], raw["arming"], shop)
    policy = compile_policy(raw["policy"], raw["consent_unknown"])
    _check_entries(book, schemes)
    _check_offers(book, policy)
    return Rules(
        version=version,
        applied_ms=applied_ms,
        snapshot=None,
        limits_number=0,
        base_currency=str(raw["base_currency"]),
        window_ms=shop.window_ms,
        value_window_ms=int(population["value_window_ms"]),
        history_margin_ms=int(raw["history_margin_ms"]),
        duplicates_ms=int(raw["duplicates_ms"]),
        count_zero_value_orders=shop.count_zero_value_orders,
        schemes=schemes,
        uses_population=any(scheme.uses_population for scheme in schemes),
        counts_value=any(scheme.kind == "value" for scheme in schemes),
        snapshot_every_ms=int(population["snapshot_every_ms"]),
        value_shares_percent=tuple(int(one) for one in population["value_shares_percent"]),
        sweep_customers_per_s=int(population["sweep_customers_per_s"]),
        max_event_age_ms=int(raw["max_event_age_ms"]),
        cart_abandoned_after_ms=int(raw["cart_abandoned_after_ms"]),
        policy=policy,
        book=book,
        upcoming=Upcoming(
            [one.schedule for campaign in book.timed for one in campaign.timetables], policy.zone
        ),
    )


def _compile_schemes(raws: Sequence[Mapping[str, Any]], shop: Shop) -> tuple[Scheme, ...]:
    schemes: list[Scheme] = []
    for raw in raws:
        name = str(raw["name"])
        compile_scheme = _KINDS.get(raw["kind"])
        if compile_scheme is None:
            raise RulesError(
                f"scheme {name}: unknown kind {raw['kind']!r}; known are {', '.join(_KINDS)}"
            )
        try:
            schemes.append(compile_scheme(raw, shop))
        except (KeyError, TypeError, ValueError) as error:
            text = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise RulesError(f"scheme {name}: {text}") from error
    names = [scheme.name for scheme in schemes]
    if len(set(names)) != len(names):
        raise RulesError(f"two schemes have one name: {', '.join(names)}")
    if RFM not in names:
        raise RulesError(f"scheme {RFM} must run; found {', '.join(names)}")
    return tuple(schemes)


def _check_entries(book: Book, schemes: Sequence[Scheme]) -> None:
    """Campaigns start by segments that exist. A scheme that does not run has no members."""
    segments = {scheme.name: scheme.segments for scheme in schemes}
    ranked = {scheme.name for scheme in schemes if scheme.is_ranked}
    for campaign in book.current.values():
        for entry in campaign.entries:
            if entry.scheme not in segments:
                continue
            if entry.segment not in segments.get(entry.scheme, ()):
                known = "; ".join(
                    f"{', '.join(names)} of {name}" for name, names in segments.items()
                )
                raise RulesError(
                    f"campaign {campaign.name}: unknown segment {entry.segment!r} of scheme "
                    f"{entry.scheme!r}; known are {known}"
                )
            if entry.direction is not None and entry.scheme not in ranked:
                raise RulesError(
                    f"campaign {campaign.name}: scheme {entry.scheme!r} has no order from best to "
                    "worst, so there is no up and down"
                )


def _check_offers(book: Book, policy: Policy) -> None:
    known = policy.offers.vouchers
    for campaign in book.current.values():
        for step in campaign.steps:
            for variant in step.variants:
                if variant.offer is not None and variant.offer not in known:
                    raise RulesError(
                        f"campaign {campaign.name}, step {step.name}: unknown offer "
                        f"{variant.offer!r}; known are {', '.join(known)}"
                    )
