"""Every scheme of every customer at one instant under given limits, in DuckDB SQL.

Default settings of the specification, and the shipped segments of scheme `attributes` that a history
of orders alone can meet. Limits that move with the customer base come as a parameter:
the plain form of a snapshot, or None for before the first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from .events import DEFAULT_GUESTS, currency_digits
from .history import load_history
from .scheme_queries import ANSWER, MACROS, PACE, QUERIES, SCORES
from .segment_maps import CELLS
from .standings import Standing
from .thresholds import DAY_MS, WINDOW_DAYS, is_enough, make_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MINIMUM_CUSTOMERS = 500
MINIMUM_HISTORY_DAYS = 180
SCHEMES = tuple(QUERIES)
"""Names of the schemes as the product calls them, in its order."""


class Limits(NamedTuple):
    """Limits of the scores, rising: days, orders, and units of the base currency.

    The score grows with each limit that is reached (`left_closed`, R falls), or passed
    (`right_closed`).
    """

    recency_days: tuple[float, ...] = (30, 90, 180, 365)
    orders: tuple[int, ...] = (2, 4, 6, 10)
    money: tuple[int, ...] = (100, 250, 500, 1000)


FIXED = Limits()
_SMALL_SHOP_THREE = Limits((180, 365), (2, 3), (250, 1000))


class CustomerSegments(NamedTuple):
    """One customer at an instant. Money in minor units, times in ms since 1970 UTC.

    `segments` by scheme: None for nowhere, flags sorted and joined by "|".
    """

    standing: Standing
    scores: tuple[int, int, int] | None

    @property
    def segments(self) -> dict[str, str | None]:
        """The segment of each scheme."""
        return self.standing.segments


def segments_at(
    events: Path | Sequence[Path],
    at_ms: int,
    thresholds: Mapping[str, Any] | None,
    *,
    base_currency: str,
    limits: Limits = FIXED,
    quantile_scores: bool = False,
    offers: Sequence[tuple[str, int]] = (),
    minute_rate_minor: int = 60,
    guests: Sequence[str] = DEFAULT_GUESTS,
) -> dict[str, CustomerSegments]:
    """Return every customer with an order, cancellation or return up to `at_ms`, by id.

    `events`: JSON Lines of contract events. `at_ms`: ms since 1970 UTC. `thresholds`: limits of the
    base, see `Thresholds`; too few customers or days, or None, and the small shop's limits apply.
    `quantile_scores`: the five levels of R, F and M by quintiles of `thresholds` instead of
    `limits`. `offers`: (customer id, instant) of the cross-selling actions sent. Raises ValueError
    for events that break their contract.
    """
    enough = is_enough(thresholds, MINIMUM_CUSTOMERS, MINIMUM_HISTORY_DAYS)
    limits_of_base = thresholds if enough else None
    unit = 10 ** currency_digits(base_currency)
    with duckdb.connect(":memory:") as connection:
        load_history(connection, events, at_ms, base_currency=base_currency, guests=guests)
        make_figures(connection, at_ms, WINDOW_DAYS)
        _make_cells(connection)
        _make_offers(connection, offers)
        for macro in MACROS:
            connection.execute(macro)
        _make_scores(
            connection, limits, unit, limits_of_base if quantile_scores else None, "percentiles"
        )
        connection.execute("ALTER TABLE score RENAME TO five")
        _make_scores(connection, _SMALL_SHOP_THREE, unit, limits_of_base, "thirds")
        connection.execute("ALTER TABLE score RENAME TO three")
        connection.execute("ALTER TABLE five RENAME TO score")
        known = _base_parameters(limits_of_base) | {
            "now": at_ms,
            "unit": unit,
            "minute_rate": minute_rate_minor * 1000,
        }
        connection.execute(PACE, {"now": at_ms})
        for scheme, query in QUERIES.items():
            used = {
                name: value for name, value in known.items() if re.search(rf"\${name}\b", query)
            }
            connection.execute(f"CREATE TEMP TABLE in_{scheme} AS {query}", used)
        columns = ", ".join(f"in_{scheme}.segment" for scheme in SCHEMES)
        joins = " ".join(f"LEFT JOIN in_{scheme} USING (customer_id)" for scheme in SCHEMES)
        rows = connection.execute(ANSWER.format(columns=columns, joins=joins)).fetchall()
    return {row[0]: _answer(row) for row in rows}


def _answer(row: tuple[Any, ...]) -> CustomerSegments:
    last_ms = row[1]
    orders, monetary, lifetime_orders, lifetime_net, value_orders, value_net = map(int, row[2:8])
    r, f, m = row[8:11]
    return CustomerSegments(
        Standing(
            last_ms,
            orders,
            monetary,
            lifetime_orders,
            lifetime_net,
            value_orders,
            value_net,
            dict(zip(SCHEMES, row[11:], strict=True)),
        ),
        None if r is None else (r, f, m),
    )


def _make_cells(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TEMP TABLE cell (map VARCHAR, cell VARCHAR, segment VARCHAR)")
    connection.executemany(
        "INSERT INTO cell VALUES (?, ?, ?)",
        [
            (name, cell, segment)
            for name, segments in CELLS.items()
            for segment, cells in segments.items()
            for cell in cells.split()
        ],
    )


def _make_offers(connection: duckdb.DuckDBPyConnection, offers: Sequence[tuple[str, int]]) -> None:
    connection.execute("CREATE TEMP TABLE offer (customer_id VARCHAR, at_ms BIGINT)")
    if offers:
        connection.executemany("INSERT INTO offer VALUES (?, ?)", list(offers))


def _make_scores(
    connection: duckdb.DuckDBPyConnection,
    limits: Limits,
    unit: int,
    thresholds: Mapping[str, Any] | None,
    cuts: str,
) -> None:
    """Fill table `score`: by fixed limits, or by the cut points of the base.

    Of the three levels only F and M have cut points: R stays with its spans.
    """
    known = {
        "r": [int(days * DAY_MS) for days in limits.recency_days],
        "f": list(limits.orders),
        "m": [money * unit for money in limits.money],
    }
    r_rule = fm_rule = "reached"
    if thresholds is not None:
        metrics = thresholds[cuts]
        fm_rule = "passed"
        if cuts == "percentiles":
            r_rule = "passed"
            known["r"] = _quintiles(metrics, "recency_ms")
            known["f"] = _quintiles(metrics, "frequency")
            known["m"] = _quintiles(metrics, "monetary_minor")
        else:
            known["f"], known["m"] = metrics["frequency"], metrics["monetary_minor"]
    connection.execute(
        SCORES.format(reached=r_rule, f=f"{fm_rule}($f, orders)", m=f"{fm_rule}($m, monetary)"),
        known,
    )


def _quintiles(metrics: Mapping[str, Sequence[int]], metric: str) -> list[int]:
    return [metrics[metric][percent - 1] for percent in (20, 40, 60, 80)]


def _base_parameters(thresholds: Mapping[str, Any] | None) -> dict[str, Any]:
    if thresholds is None:
        names = ("repeat_orders", "repeat_buyers", "vip_orders", "vip_net", "units_90")
        return {"enough": False, **dict.fromkeys((*names, "least_a", "least_b"), 0)}
    percentiles = thresholds["percentiles"]
    least_a, least_b = thresholds["value_limits_minor"] or (None, None)
    return {
        "enough": True,
        "repeat_orders": thresholds["repeat_orders"],
        "repeat_buyers": thresholds["repeat_buyers"],
        "vip_orders": percentiles["lifetime_orders"][89],
        "vip_net": percentiles["lifetime_net_minor"][89],
        "units_90": percentiles["units_milli"][89] if "units_milli" in percentiles else 0,
        "least_a": least_a,
        "least_b": least_b,
    }
