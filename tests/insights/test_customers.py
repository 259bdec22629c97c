"""A customer's memberships in every scheme, now and at a later instant, and their columns."""

import csv
from pathlib import Path

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from streams.core.classification import is_gone
from streams.core.state import Held, Membership
from streams.core.values import DAY_MS
from streams.insights.customers import (
    COLUMNS,
    MembershipAt,
    columns_of,
    customer_row,
    further_schemes,
    standing_at,
)
from streams.insights.customers_file import CustomersFile, Format
from tests.insights.customers import NOW_MS, let_time_pass, lived, order_placed, rules, shopper

SCHEMES = ("loyalty", "value", "lifecycle")


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 120_000)), min_size=1, max_size=8),
    st.integers(0, 1_500 * DAY_MS),
)
def test_a_later_instant_is_what_the_clock_alone_would_have_made(
    orders: list[tuple[int, int]], ahead_ms: int
) -> None:
    """Given some orders, when only time passes, then every scheme is where the machine puts it."""
    under = rules()
    events = [
        order_placed(number, NOW_MS + day * DAY_MS, total)
        for number, (day, total) in enumerate(sorted(orders))
    ]
    state = lived(events, under)
    at_ms = events[-1].occurred_at_ms + ahead_ms
    told = standing_at(state, under, at_ms)

    let_time_pass(state, at_ms, under)
    assert [one.scheme for one in told.memberships] == ["rfm", *SCHEMES]
    for one in told.memberships:
        member = state.memberships.get(one.scheme)
        decided = (member.segment, member.previous, member.since_ms) if member else (None,) * 3
        assert (one.segment, one.previous, one.since_ms) == decided, one.scheme


def test_a_change_that_moved_limits_hold_back_is_not_told() -> None:
    state = shopper("c", [(5, 10_000)])
    state.rules_version = 1
    state.memberships["loyalty"] = Membership("VIP", None, NOW_MS - DAY_MS, 1)
    state.held["loyalty"] = Held("One Time Buyer", NOW_MS, 1, None)
    told = {one.scheme: one for one in standing_at(state, rules(), NOW_MS).memberships}
    assert told["loyalty"] == MembershipAt("loyalty", "VIP", None, NOW_MS - DAY_MS)
    state.held.clear()
    told = {one.scheme: one for one in standing_at(state, rules(), NOW_MS).memberships}
    assert told["loyalty"] == MembershipAt("loyalty", "One Time Buyer", "VIP", None)


def test_who_went_elsewhere_or_was_erased_is_nobody() -> None:
    state = shopper("c", [(5, 10_000)])
    assert not is_gone(state)
    state.merged_into = "d"
    assert is_gone(state)
    erased = shopper("e", [])
    assert not is_gone(erased)
    erased.erased_at_ms = NOW_MS
    assert is_gone(erased)
    assert standing_at(erased, rules(), NOW_MS).segment is None
    assert {one.segment for one in standing_at(erased, rules(), NOW_MS).memberships} == {None}


def test_every_scheme_has_its_columns_in_the_order_of_the_rules() -> None:
    assert further_schemes(rules()) == SCHEMES
    assert columns_of(SCHEMES)[: len(COLUMNS)] == COLUMNS
    assert columns_of(SCHEMES)[len(COLUMNS) :] == (
        "loyalty_segment",
        "loyalty_previous",
        "loyalty_since",
        "value_segment",
        "value_previous",
        "value_since",
        "lifecycle_segment",
        "lifecycle_previous",
        "lifecycle_since",
    )


def saved(tmp_path: Path, file_format: Format) -> Path:
    """A file of two customers decided by the machine and one whose rules know a scheme more."""
    under = rules()
    events = [order_placed(1, NOW_MS, 5_000), order_placed(2, NOW_MS + DAY_MS, 5_000)]
    twice = customer_row(lived(events, under), under, NOW_MS + DAY_MS)
    once = customer_row(lived(events[:1], under), under, NOW_MS)
    assert twice is not None
    assert once is not None
    flags = MembershipAt('of "ours"', "Big|Near", None, NOW_MS)
    out = tmp_path / f"customers.{file_format}"
    with CustomersFile(further_schemes(under)) as customers:
        customers.add(once._replace(customer_id="a"))
        customers.add(twice._replace(customer_id="b"))
        customers.add(once._replace(customer_id="c", memberships=(flags,)))
        customers.save(out, file_format, "EUR")
    return out


def test_rows_of_different_rules_stand_in_one_file(tmp_path: Path) -> None:
    with saved(tmp_path, "csv").open(encoding="utf-8", newline="") as file:
        rows = {row["customer_id"]: row for row in csv.DictReader(file, strict=True)}
    assert list(rows["a"]) == [
        *columns_of(SCHEMES),
        'of "ours"_segment',
        'of "ours"_previous',
        'of "ours"_since',
    ]
    first, second = "2023-11-14T22:13:20.000Z", "2023-11-15T22:13:20.000Z"
    loyalty = ("loyalty_segment", "loyalty_previous", "loyalty_since")
    assert [rows["a"][name] for name in loyalty] == ["One Time Buyer", "", first]
    assert [rows["b"][name] for name in loyalty] == ["Loyal Customer", "One Time Buyer", second]
    assert [rows["c"][name] for name in loyalty] == ["", "", ""]
    assert (rows["a"]['of "ours"_segment'], rows["c"]['of "ours"_segment']) == ("", "Big|Near")


def test_parquet_has_instants_for_every_scheme(tmp_path: Path) -> None:
    out = saved(tmp_path, "parquet")
    with duckdb.connect(":memory:") as connection:
        types = dict(row[:2] for row in connection.execute(f"DESCRIBE FROM '{out}'").fetchall())
        since = connection.execute(
            f"SELECT epoch_ms(loyalty_since) FROM '{out}' ORDER BY customer_id"
        ).fetchall()
    assert types["lifecycle_since"] == "TIMESTAMP WITH TIME ZONE"
    assert types["lifecycle_segment"] == "VARCHAR"
    assert since == [(NOW_MS,), (NOW_MS + DAY_MS,), (None,)]


def test_an_empty_file_still_names_every_scheme(tmp_path: Path) -> None:
    out = tmp_path / "customers.csv"
    with CustomersFile(SCHEMES) as customers:
        customers.save(out, "csv", "EUR")
    assert out.read_text(encoding="utf-8") == ",".join(columns_of(SCHEMES)) + "\n"
