"""The shipped campaigns: all of the catalogue, who starts them, for whom they are, and for whom never."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams.core.campaigns.definition import Campaign
from streams.core.facts import facts_at
from streams.core.rules import compile_rules
from streams.core.schemes.scheme import View
from streams.core.state import CustomerState, Order
from streams.rules.campaign_models import CampaignFile
from streams.rules.files import ReadRules, read_rules, rules_text
from streams.settings import load_settings
from streams.yaml_file import YamlFile

DAY = 86_400_000
T0 = 1_767_225_600_000
FOLDER = Path(__file__).parents[2] / "streams/rules/campaigns"
CART, KEEP, WIN_BACK, WELCOME, NURTURE, SEASON = 10, 20, 30, 40, 50, 60


class Shipped(NamedTuple):
    """What the catalogue says of a campaign: its place, its source, and what starts it by what."""

    priority: int
    source: str
    starts: set[str]
    templates: set[str]


CATALOGUE = {
    "cart_reminder": Shipped(
        CART,
        "user, S3; details ours",
        {"cart.abandoned by event, clock"},
        {"cart_reminder_first", "cart_reminder_second", "cart_reminder_last"},
    ),
    "budget_cart_offer": Shipped(
        CART, "S3", {"cart.abandoned by event, clock"}, {"budget_cart_offer"}
    ),
    "return_fit_help": Shipped(CART, "S3", {"cart.updated by event"}, {"return_fit_help"}),
    "win_back_at_risk": Shipped(
        WIN_BACK, "user, S0", {"enters At Risk by clock"}, {"win_back_at_risk"}
    ),
    "win_back_lost": Shipped(
        WIN_BACK,
        "S0",
        {"enters Lost Customers by clock"},
        {"win_back_lost", "win_back_lost_survey"},
    ),
    "sleeper_wake_up": Shipped(WIN_BACK, "S2", {"enters Sleeper by clock"}, {"sleeper_wake_up"}),
    "win_back_personal": Shipped(
        KEEP,
        "S1, S2",
        {"enters Slipping by clock", "enters Sleeper by clock"},
        {"win_back_personal"},
    ),
    "second_order": Shipped(
        WELCOME, "S1; 14 days ours", {"enters One Time Buyer by event"}, {"second_order"}
    ),
    "grow_c_to_b": Shipped(NURTURE, "S2", {"order.placed by event"}, {"grow_c_to_b"}),
    "potential_loyalist_nurture": Shipped(
        NURTURE, "S0", {"enters Potential Loyalists by event"}, {"potential_loyalist_nurture"}
    ),
    "loyal_thank_you": Shipped(
        KEEP,
        "S0",
        {"enters Loyal Customers by event"},
        {"loyal_thank_you", "loyal_news", "loyal_review_and_referral"},
    ),
    "frequent_buyer_personal": Shipped(
        KEEP, "S1", {"enters Frequent Buyer by event"}, {"frequent_buyer_personal"}
    ),
    "champion_vip": Shipped(
        KEEP, "S0, S1", {"enters Champions by event", "enters VIP by event"}, {"champion_vip"}
    ),
    "refer_a_friend": Shipped(NURTURE, "S2, S0", {"order.placed by event"}, {"refer_a_friend"}),
    "loyalty_bonus": Shipped(KEEP, "S2; quarter ours", {"every quarter"}, {"loyalty_bonus"}),
    "welcome_new_buyer": Shipped(
        WELCOME, "S2, S4; three weeks ours", {"enters New Buyer by event"}, {"welcome_new_buyer"}
    ),
    "deal_membership": Shipped(
        NURTURE, "S3", {"enters Promotion Maximizer by event"}, {"deal_membership"}
    ),
    "self_service": Shipped(KEEP, "S3", {"enters Service Demander by event"}, {"self_service"}),
    "season_opener": Shipped(SEASON, "S0", {"every quarter, strongest"}, {"season_opener"}),
}
WIN_BACKS = {"win_back_at_risk", "win_back_lost", "win_back_personal"}
REACTIVATION = WIN_BACKS | {"sleeper_wake_up"}
ON_THE_CALENDAR = {"loyalty_bonus", "season_opener"}
EVERY_NAME = pytest.mark.parametrize("name", CATALOGUE)


@cache
def read(schemes: str) -> ReadRules:
    return read_rules(load_settings(schemes=schemes))


def campaigns(schemes: str = "full") -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in read(schemes).document["campaigns"]}


@cache
def compiled(schemes: str = "full") -> dict[str, Campaign]:
    return dict(compile_rules(rules_text(load_settings(schemes=schemes)), 1).book.current)


def started_by(trigger: dict[str, Any]) -> str:
    if trigger["kind"] == "schedule":
        seasons = f", {trigger['seasons']}" if trigger["seasons"] else ""
        return f"every {trigger['every']}{seasons}"
    what = trigger.get("event") or f"{trigger['kind']} {trigger['segment']}"
    return f"{what} by {', '.join(trigger['causes'])}"


# -- what there is -------------------------------------------------------------------------------


def test_the_whole_catalogue_is_there_and_nothing_else() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(CATALOGUE)
    assert set(campaigns()) == set(CATALOGUE)
    assert read("full").left_out == {}


@EVERY_NAME
def test_a_campaign_is_as_the_catalogue_says(name: str) -> None:
    found, wanted = campaigns()[name], CATALOGUE[name]
    assert found["priority"] == wanted.priority
    assert {started_by(one) for one in found["triggers"]} == wanted.starts
    templates = {
        variant["template"]
        for step in found["steps"]
        for variant in step["variants"]
        if variant["does"] == "act"
    }
    assert templates == wanted.templates
    assert YamlFile.load(FOLDER / f"{name}.yaml").validate(CampaignFile).name == name


@EVERY_NAME
def test_its_first_line_says_what_it_is_for_and_where_that_comes_from(name: str) -> None:
    line = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"# \S.*\. Source: (.*)\.", line)
    assert line.endswith(f" Source: {CATALOGUE[name].source}.")


def test_every_template_belongs_to_one_step() -> None:
    used: dict[str, set[tuple[str, str]]] = {}
    for name, found in campaigns().items():
        for step in found["steps"]:
            for variant in step["variants"]:
                if variant["does"] == "act":
                    used.setdefault(variant["template"], set()).add((name, step["name"]))
    assert all(len(steps) == 1 for steps in used.values())
    assert len(used) == sum(len(one.templates) for one in CATALOGUE.values()) == 24


def test_few_and_large_segments_start_few_campaigns() -> None:
    lifecycle, value, behaviour = (
        f"needs scheme {name}, which does not run" for name in ("lifecycle", "value", "behaviour")
    )
    assert read("starter").left_out == {
        "budget_cart_offer": behaviour,
        "deal_membership": behaviour,
        "grow_c_to_b": value,
        "return_fit_help": behaviour,
        "self_service": behaviour,
        "sleeper_wake_up": lifecycle,
        "welcome_new_buyer": lifecycle,
        "win_back_personal": lifecycle,
    }
    starter = campaigns("starter")
    assert set(starter) == set(CATALOGUE) - set(read("starter").left_out)
    # What is there is the same under both, so that choosing more schemes changes no campaign.
    assert all(campaigns()[name] == one for name, one in starter.items())
    compile_rules(rules_text(load_settings(schemes="starter")), 1)


# -- when ----------------------------------------------------------------------------------------


def test_lost_customers_are_won_back_by_the_clock_after_a_quiet_month_one_way_at_a_time() -> None:
    in_group = {name for name, one in campaigns().items() if one["group"] == "reactivation"}
    assert in_group == REACTIVATION
    for name in REACTIVATION:
        found = campaigns()[name]
        assert {cause for one in found["triggers"] for cause in one["causes"]} == {"clock"}
        assert (found["quiet_ms"], found["group_gap_ms"]) == (30 * DAY, 60 * DAY)
        assert "order.placed" in [one["event"] for one in found["exits"]["events"]]


def test_whatever_else_a_segment_starts_is_by_an_event() -> None:
    by_segment = {
        name: {cause for one in found["triggers"] for cause in one.get("causes", ())}
        for name, found in campaigns().items()
        if any("segment" in one for one in found["triggers"]) and name not in REACTIVATION
    }
    assert len(by_segment) == 8
    assert all(causes == {"event"} for causes in by_segment.values())


def test_carts_are_reminded_of_in_time_or_not_at_all() -> None:
    per_cart = {name for name, one in campaigns().items() if one["key"] == "cart"}
    assert per_cart == {"cart_reminder", "budget_cart_offer", "return_fit_help"}
    assert {campaigns()[name]["max_start_delay_ms"] for name in per_cart} == {DAY // 6}
    hours = [step["after_ms"] // 3_600_000 for step in campaigns()["cart_reminder"]["steps"]]
    assert hours == [1, 24, 72]
    assert campaigns()["return_fit_help"]["tells_return_rates"] is True


def test_what_goes_by_the_calendar_is_armed_by_a_person_who_saw_whom_it_reaches() -> None:
    arming = read("full").document["arming"]
    assert {name for name, one in arming.items() if not one["armed"]} == ON_THE_CALENDAR
    for name in ON_THE_CALENDAR:
        # Its guard is the count at arming, so no share of the customers stops it before.
        assert campaigns()[name]["flood"]["share_percent"] == 100
        assert {one["minute"] for one in campaigns()[name]["triggers"]} == {9 * 60}


def test_a_new_buyer_hears_no_advertising_for_three_weeks() -> None:
    mutes = {name: one["mutes"] for name, one in campaigns().items() if one["mutes"]}
    assert mutes == {
        "welcome_new_buyer": {"tags": ["advertising"], "for_ms": 21 * DAY},
        "budget_cart_offer": {"tags": ["cross_sell"], "for_ms": 30 * DAY},
    }
    tagged = {name for name, one in campaigns().items() if "advertising" in one["tags"]}
    # What a customer needs to be heard for, or asked for, is not advertising.
    assert not tagged & {"cart_reminder", "welcome_new_buyer", "second_order", "self_service"}
    assert {"season_opener", "potential_loyalist_nurture", "grow_c_to_b"} <= tagged


def test_suggestions_beyond_the_cart_are_cross_selling_which_a_spending_limiter_never_gets() -> (
    None
):
    tagged = {name for name, one in campaigns().items() if "cross_sell" in one["tags"]}
    assert tagged == {
        "champion_vip",
        "frequent_buyer_personal",
        "grow_c_to_b",
        "potential_loyalist_nurture",
        "season_opener",
    }
    assert all(campaigns()[name]["suggestions"] for name in tagged)
    assert read("full").document["policy"]["flag_mutes"] == [
        {"scheme": "behaviour", "segment": "Spending Limiter", "tags": ["cross_sell"]}
    ]


def test_the_newsletter_goes_on_until_the_customer_leaves_the_segment() -> None:
    found = campaigns()["potential_loyalist_nurture"]
    assert found["exits"] == {"events": [], "segments": [], "leaving": True}
    (step,) = found["steps"]
    assert (step["every_ms"], step["rounds"]) == (14 * DAY, None)


# -- for whom ------------------------------------------------------------------------------------


def view(orders: int = 1, **segments: str | None) -> View:
    """A customer with so many orders and these segments, flags joined as the state has them."""
    state = CustomerState("C-1")
    for index in range(orders):
        state.orders[f"o{index}"] = Order(T0 - index * DAY, f"e{index}", 5_000)
    seen = View(state, facts_at(state, T0, 730 * DAY), T0)
    seen.segments.update(segments)
    return seen


def is_for(name: str, seen: View, schemes: str = "full") -> bool:
    when = compiled(schemes)[name].when
    return when is None or when.test(seen)


def deed(name: str, step: int, seen: View) -> tuple[str, str, str | None] | None:
    """What a step does, with its template and offer; None where no variant is for the customer."""
    for one in compiled()[name].steps[step].variants:
        if one.when is None or one.when.test(seen):
            return one.does, one.template, one.offer
    return None


HEAVY = [
    view(9, value="A", loyalty="Loyal Customer"),
    view(9, value="B", loyalty="VIP"),
    view(9, value=None, loyalty="VIP"),
]


@pytest.mark.parametrize("heavy", HEAVY)
def test_a_heavy_buyer_is_met_in_person_and_never_told_that_a_lot_has_changed(heavy: View) -> None:
    assert not is_for("sleeper_wake_up", heavy)
    assert is_for("win_back_personal", heavy)


def test_a_champion_is_not_told_so_either() -> None:
    assert not is_for("sleeper_wake_up", view(9, rfm="Champions", value="B"))


@pytest.mark.parametrize("known", [{"value": "B"}, {"value": "C"}, {}])
def test_every_other_sleeper_is_told_so(known: dict[str, str]) -> None:
    seen = view(2, loyalty="Loyal Customer", rfm="At Risk", **known)
    assert is_for("sleeper_wake_up", seen)
    assert not is_for("win_back_personal", seen)


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        (view(3, value="A"), True),
        (view(2, value="A"), False),
        (view(3, rfm="Champions"), True),
        (view(2, rfm="Champions"), False),
        (view(4, rfm="Loyal Customers", value="C"), True),
        (view(9, value="B", rfm="Potential Loyalists"), False),
        (view(3, value="A", lifecycle="New Buyer"), False),
        (view(4, rfm="Loyal Customers", lifecycle="New Buyer"), False),
        (view(4, rfm="Loyal Customers", lifecycle="Active"), True),
    ],
)
def test_only_those_who_are_sure_of_the_shop_are_asked_to_refer(seen: View, asked: bool) -> None:
    assert is_for("refer_a_friend", seen) is asked


def test_a_new_buyer_is_never_asked_for_a_word_to_friends() -> None:
    new = view(4, rfm="Loyal Customers", lifecycle="New Buyer")
    assert deed("loyal_thank_you", 2, new) == ("skip", "", None)
    known = view(4, rfm="Loyal Customers", lifecycle="Active")
    assert deed("loyal_thank_you", 2, known) == ("act", "loyal_review_and_referral", None)
    assert deed("loyal_thank_you", 2, view(4, behaviour="Service Demander")) == ("skip", "", None)


@pytest.mark.parametrize("flag", ["Promotion Maximizer", "Revenue Reverser"])
@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("win_back_at_risk", "free_delivery"),
        ("win_back_lost", "strong"),
        ("win_back_personal", "club_benefit"),
    ],
)
def test_nobody_is_paid_for_coming_back_who_would_wait_for_it(
    name: str, offer: str, flag: str
) -> None:
    assert deed(name, 0, view(4)) == ("act", name, offer)
    for flags in (flag, f"Bulk Buyer|{flag}"):
        assert deed(name, 0, view(4, behaviour=flags, value="A")) == ("act", name, None)


def test_the_last_reminder_offers_delivery_to_those_who_do_not_live_on_it() -> None:
    last = "cart_reminder_last"
    assert deed("cart_reminder", 2, view()) == ("act", last, "free_delivery")
    for flag in ("Promotion Maximizer", "Revenue Reverser"):
        assert deed("cart_reminder", 2, view(behaviour=flag)) == ("act", last, None)
    for step in (0, 1):
        template = campaigns()["cart_reminder"]["steps"][step]["variants"][0]["template"]
        assert deed("cart_reminder", step, view()) == ("act", template, None)


def test_at_risk_those_who_bought_most_get_something_special() -> None:
    for seen in (view(value="A"), view(loyalty="VIP"), view(loyalty="Frequent Buyer")):
        assert deed("win_back_at_risk", 0, seen) == ("act", "win_back_at_risk", "gift")


def test_a_spending_limiter_gets_one_offer_in_place_of_reminders() -> None:
    limiter, other = view(4, behaviour="Bulk Buyer|Spending Limiter"), view(4, behaviour=None)
    assert is_for("budget_cart_offer", limiter)
    assert not is_for("cart_reminder", limiter)
    assert is_for("cart_reminder", other)
    assert not is_for("budget_cart_offer", other)
    assert is_for("cart_reminder", view(), "starter"), "nobody is one where the scheme does not run"


@pytest.mark.parametrize(
    ("seen", "offer"),
    [
        (view(rfm="Champions"), "early_access"),
        (view(rfm="Loyal Customers"), "club_benefit"),
        (view(rfm="Potential Loyalists"), "points"),
        (view(rfm="At Risk"), "free_delivery"),
        (view(rfm="Lost Customers"), "free_delivery"),
        (view(rfm="Lost Customers", behaviour="Revenue Reverser"), None),
        (view(0, rfm=None), None),
    ],
)
def test_a_season_opens_by_segment(seen: View, offer: str | None) -> None:
    assert deed("season_opener", 0, seen) == ("act", "season_opener", offer)


def test_only_what_is_left_in_a_cart_is_ever_discounted() -> None:
    classes = read("full").document["policy"]["offers"]["classes"]
    discounted = {
        name
        for name, found in campaigns().items()
        for step in found["steps"]
        for variant in step["variants"]
        if variant["offer"] is not None and not classes[variant["offer"]]["is_perk"]
    }
    assert discounted == {"budget_cart_offer"}


def test_all_of_it_is_small_enough_for_a_rules_record() -> None:
    # A record of rules may be 1 MiB, with five older versions of each campaign.
    assert 6 * len(json.dumps(read("full").document["campaigns"])) < 512 * 1024
