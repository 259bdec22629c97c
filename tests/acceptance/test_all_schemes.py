"""Two real shops: facts and every scheme of every customer, as streamed and as recomputed at once.

The product reads the files by their mappings and replays them; the oracle reads the same files with
its own SQL, recomputes everything at one instant, and shares no code with `streams/`. Both stand
under one pinned set of limits, so nobody is near a cut on one side only.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.adapters.memory.log import Published
from streams.codec.rates import Rates
from streams.core.facts import facts_at
from streams.core.population.snapshot import Snapshot
from streams.core.rules import Rules
from streams.core.state import NO_MEMBERSHIP, CustomerState
from streams.files.events import Event
from streams.files.mapping import load_mapping
from streams.files.reading import read_events
from streams.insights.customers import has_history
from streams.intake.reading import Limits
from streams.replay.replay import DeadLetter, Replay
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.acceptance.oracle.disorder import disorder
from tests.acceptance.oracle.segments import SCHEMES, segments_at
from tests.acceptance.oracle.shop_files import cdnow_events, uci_events
from tests.acceptance.oracle.standings import Standing, standing_differences
from tests.acceptance.oracle.thresholds import DAY_MS, Thresholds, exact_thresholds

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RFM_SHARED_DATA", ROOT.parent / "shared" / "data"))
FAR_MS = 4_102_444_800_000  # 2100: an instant that no event of a file is ahead of


@dataclass(frozen=True)
class Shop:
    """One file, how the product reads it, and the instants at which both are asked."""

    file: Path
    mapping: Path
    currency: str
    middle_ms: int
    end_ms: int
    customers: tuple[int, int]

    @property
    def instants(self) -> dict[str, int]:
        silent_ms = self.end_ms + 200 * DAY_MS
        return {"middle": self.middle_ms, "end": self.end_ms, "200 days later": silent_ms}


SHOPS = {
    "uci": Shop(
        SHARED / "uci_online_retail_2010-12_2011-12.csv.gz",
        ROOT / "examples" / "uci.yaml",
        "GBP",
        1_308_744_000_123,  # 2011-06-22T12:00:00.123Z
        1_323_435_000_000,  # 2011-12-09T12:50:00Z, its last line
        (2954, 4371),
    ),
    "cdnow": Shop(
        SHARED / "cdnow_master.csv.gz",
        ROOT / "examples" / "cdnow.yaml",
        "USD",
        880_934_400_000,  # 1997-12-01
        899_164_800_000,  # 1998-06-30, its last day
        (23570, 23570),
    ),
}
# A minute of computing each, and more on a machine that others use too.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("all_schemes")]
INSTANTS = ("middle", "end", "200 days later")


class Both(NamedTuple):
    """Every customer at one instant, on either side."""

    streamed: dict[str, Standing]
    recomputed: dict[str, Standing]


def skip_without(shop: Shop) -> None:
    if not shop.file.is_file():
        pytest.skip(f"the shop's file is not at {shop.file}; set RFM_SHARED_DATA to its folder")


def settings(currency: str) -> Settings:
    return Settings.model_construct(
        schemes="full",
        rfm_maps=("eleven", "grid", "rf_ten", "three_by_three"),
        base_currency=currency,
    )


def standings(states: Iterable[CustomerState], rules: Rules, at_ms: int) -> dict[str, Standing]:
    """What the product holds of each customer at `at_ms`; nothing is classified here."""
    found = {}
    for state in states:
        if not has_history(state):
            continue
        facts = facts_at(
            state, at_ms, rules.window_ms, value_window_ms=rules.value_window_ms,
            count_zero_value_orders=rules.count_zero_value_orders,
        )  # fmt: skip
        found[state.customer_id] = Standing(
            facts.last_order_at_ms,
            facts.order_count,
            facts.monetary_minor,
            facts.lifetime_order_count,
            facts.lifetime_monetary_minor,
            facts.value_order_count,
            facts.value_monetary_minor,
            {
                scheme.name: state.memberships.get(scheme.name, NO_MEMBERSHIP).segment
                for scheme in rules.schemes
            },
        )
    return found


def replay_of(shop: Shop, pinned: Thresholds) -> Replay:
    def refuse(letter: DeadLetter) -> None:
        raise AssertionError(letter)

    def pass_over(topic: str, record: Published) -> None:
        pass

    return Replay(
        rules_text(settings(shop.currency)),
        Limits(),
        Rates(shop.currency, {}),
        FAR_MS,
        pass_over,
        refuse,
        pinned=Snapshot(**pinned),
    )


def streamed(
    shop: Shop, events: Iterable[Event], pinned: Thresholds
) -> dict[str, dict[str, Standing]]:
    """One life, stopped and looked at three times on its way."""
    replay = replay_of(shop, pinned)
    waiting = iter(events)
    event = next(waiting, None)
    found = {}
    for name, at_ms in shop.instants.items():
        while event is not None and event.occurred_at_ms <= at_ms:
            replay.take(event)
            event = next(waiting, None)
        replay.move_to(at_ms)
        replay.finish()
        found[name] = standings(replay.states(), replay.rules, at_ms)
    assert event is None
    assert [scheme.name for scheme in replay.rules.schemes] == list(SCHEMES)
    return found


# The larger shop takes a minute and a half of computing: `make soak` has it.
@pytest.fixture(scope="module", params=["uci", pytest.param("cdnow", marks=pytest.mark.soak)])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, dict[str, Both]]:
    shop = SHOPS[request.param]
    skip_without(shop)
    orders = tmp_path_factory.mktemp("orders") / "events.jsonl"
    if request.param == "uci":
        uci_events(shop.file, orders, zone="Europe/London")
    else:
        cdnow_events(shop.file, orders)
    pinned = exact_thresholds(orders, shop.end_ms, base_currency=shop.currency)
    with read_events([shop.file], load_mapping(shop.mapping)) as events:
        found = streamed(shop, events, pinned)
    instants = {}
    for name, at_ms in shop.instants.items():
        recomputed = segments_at(orders, at_ms, pinned, base_currency=shop.currency)
        instants[name] = Both(
            found[name], {customer: row.standing for customer, row in recomputed.items()}
        )
    return shop, instants


@pytest.mark.parametrize("instant", INSTANTS)
def test_streamed_equals_recomputed(both: tuple[Shop, dict[str, Both]], instant: str) -> None:
    """Given a shop's whole file, at each instant every fact and segment of everybody is the same."""
    shop, found = both
    assert len(found[instant].recomputed) == shop.customers[instant != "middle"]
    assert standing_differences(found[instant].streamed, found[instant].recomputed) == []


def test_the_clock_alone_moved_customers_of_every_scheme(
    both: tuple[Shop, dict[str, Both]],
) -> None:
    """Otherwise the last instant would show nothing that the end of the file does not."""
    found = both[1]
    before, after = found["end"].streamed, found["200 days later"].streamed
    moved = {
        scheme
        for customer, standing in before.items()
        for scheme, segment in standing.segments.items()
        if after[customer].segments[scheme] != segment
    }
    # Lifetime sums do not age, and the examples in `attributes` look back two years.
    assert moved >= set(SCHEMES) - {"loyalty", "attributes"}


@pytest.mark.soak
def test_disorder_and_repetition_change_nobody(tmp_path: Path) -> None:
    """Given every seventh event twice and all within three days of their place, all is the same."""
    shop = SHOPS["uci"]
    skip_without(shop)
    ordered, shuffled, orders = (tmp_path / f"{name}.jsonl" for name in ("a", "b", "c"))
    with ordered.open("wb") as file, read_events([shop.file], load_mapping(shop.mapping)) as events:
        file.writelines(event.value + b"\n" for event in events)
    disorder(ordered, shuffled, seed=11)
    uci_events(shop.file, orders, zone="Europe/London")
    pinned = exact_thresholds(orders, shop.end_ms, base_currency=shop.currency)
    replay = replay_of(shop, pinned)
    with read_events([shuffled], None) as events:
        for event in events:
            replay.take(event)
    at_ms = shop.instants["200 days later"]
    replay.move_to(at_ms)
    replay.finish()
    recomputed = segments_at(orders, at_ms, pinned, base_currency=shop.currency)
    assert (
        standing_differences(
            standings(replay.states(), replay.rules, at_ms),
            {customer: row.standing for customer, row in recomputed.items()},
        )
        == []
    )
