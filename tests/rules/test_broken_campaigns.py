"""Wrong campaigns and policies never start: each error names file, line and field, and what would do."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import pytest

from streams.core.campaigns.triggers import EVENTS
from streams.errors import UsageError
from streams.rules.campaign_models import EventName
from streams.rules.files import rules_text
from streams.settings import load_settings

# Line 5 is the trigger, lines 7 to 9 are the steps.
HELLO = """\
name: hello
version: 1
priority: 1
channels: [email]
trigger: {enters: {scheme: rfm, segment: At Risk}, causes: [clock]}
steps:
  - {name: one, after: 1d, template: t, valid_for: 1d}
  - {name: two, after: 2d, template: t, valid_for: 1d}
  - {name: three, after: 3d, template: t, valid_for: 1d, offer: points}
"""
KINDS = "enters, leaves, gains, loses, event, date, schedule"
SEGMENTS = "Champions, Loyal Customers, Potential Loyalists, At Risk, Lost Customers"
SCHEMES = (
    "rfm, loyalty, value, lifecycle, frequency, behaviour, attributes, rfm_eleven, rfm_grid, "
    "rfm_rf_ten, rfm_three_by_three"
)
OFFERS = "free_delivery, strong, club_benefit, points, gift, early_access, discount_10, discount_15"
DURATION = "write 30s, 15m, 4h, 7d or 26w"


class Broken(NamedTuple):
    """A campaign and what is said, without its path; settings beside it."""

    text: str
    said: str
    chosen: Mapping[str, Any] = MappingProxyType({})


def swap(before: str, after: str, text: str = HELLO) -> str:
    assert before in text
    return text.replace(before, after)


def trigger(text: str) -> str:
    """The campaign with another line 5."""
    return swap(HELLO.splitlines()[4], text)


def more(text: str) -> str:
    """The campaign with a line 10."""
    return f"{HELLO}{text}\n"


def step(text: str) -> str:
    """The campaign with another line 9."""
    return swap(HELLO.splitlines()[8], f"  - {text}")


BROKEN = {
    # -- what it is
    "no name": Broken(swap("name: hello\n", ""), "line 1: field name is missing"),
    "a name with a space": Broken(
        swap("hello", "Hello You"),
        "line 1: field name is wrong: 'Hello You' is no name; write small letters, digits and _, at "
        "most 60",
    ),
    "a misspelt field": Broken(
        more("prority: 2"),
        "line 10: field prority is unknown; did you mean priority? known here: armed, caps, channels, "
        "control, dry_run, exits, group, group_gap, guard, key, max_start_delay, mutes, name, "
        "priority, quiet, quiet_hours, re_entry, return_rates, steps, suggestions, tags, trigger, "
        "triggers, version, when",
    ),
    "version 0": Broken(
        swap("version: 1", "version: 0"),
        "line 2: field version is wrong: Input should be greater than or equal to 1 (it is 0)",
    ),
    "an unknown channel": Broken(
        swap("[email]", "[email, fax]"),
        "line 4: field channels.1 is wrong: Input should be 'email', 'sms', 'push', 'post' or "
        "'webhook' (it is 'fax')",
    ),
    "a tag with a space": Broken(
        more("tags: [cross sell]"),
        "line 10: field tags.0 is wrong: 'cross sell' is no name; write small letters, digits and _, "
        "at most 60",
    ),
    # -- triggers
    "no trigger": Broken(
        swap(HELLO.splitlines()[4] + "\n", ""), "line 1: give either trigger or triggers"
    ),
    "trigger and triggers": Broken(
        more("triggers: [{event: order.placed}]"), "line 10: give either trigger or triggers"
    ),
    "a trigger of two kinds": Broken(
        trigger("trigger: {event: order.placed, date: birthday}"),
        f"line 5: field trigger is wrong: give exactly one of {KINDS}, found event and date",
    ),
    "a trigger of no kind": Broken(
        trigger("triggers: [{event: order.placed}, {causes: [clock]}]"),
        f"line 5: field triggers.1 is wrong: give exactly one of {KINDS}, found none",
    ),
    "an unknown segment": Broken(
        swap("At Risk", "At Rist"),
        f"line 5: scheme rfm has no segment 'At Rist'; its segments are {SEGMENTS}",
    ),
    "an unknown segment of a scheme that does not run": Broken(
        swap("rfm, segment: At Risk", "value, segment: D"),
        "line 5: scheme value has no segment 'D'; its segments are A, B, C",
    ),
    "an unknown scheme": Broken(
        swap("scheme: rfm", "scheme: rmf"),
        f"line 5: there is no scheme 'rmf'; known are {SCHEMES}",
    ),
    "an unknown segment to come from": Broken(
        swap("At Risk}", "At Risk, from: [Champions, Heroes]}"),
        f"line 5: scheme rfm has no segment 'Heroes'; its segments are {SEGMENTS}",
    ),
    "a misspelt field of a trigger": Broken(
        swap("At Risk}", "At Risk, form: [Champions]}"),
        "line 5: field trigger.enters.form is unknown; did you mean from? known here: direction, "
        "from, scheme, segment",
    ),
    "coming from where one goes": Broken(
        swap("At Risk}", "At Risk, from: [At Risk]}"), "line 5: nobody enters At Risk from At Risk"
    ),
    "leaving from somewhere": Broken(
        swap("enters: {scheme: rfm, segment: At Risk}", "leaves: {scheme: rfm, from: [At Risk]}"),
        "line 5: field trigger.leaves.from is unknown; known here: direction, scheme, segment (and 1 "
        "more)",
    ),
    "a direction where there is none": Broken(
        trigger(
            "trigger:\n  enters: {scheme: lifecycle, segment: Sleeper,\n    direction: down}\n"
            "  causes: [clock]"
        ),
        "line 7: scheme lifecycle has no order from best to worst, so there is no down",
    ),
    "a direction that is none": Broken(
        swap("At Risk}", "At Risk, direction: sideways}"),
        "line 5: field trigger.enters.direction is wrong: Input should be 'up' or 'down' (it is "
        "'sideways')",
    ),
    "entering a flag": Broken(
        swap("rfm, segment: At Risk", "behaviour, segment: Bulk Buyer"),
        "line 5: scheme behaviour has flags: write gains",
    ),
    "losing a segment": Broken(
        swap("enters:", "loses:"), "line 5: scheme rfm has segments and no flags: write leaves"
    ),
    "no causes": Broken(
        swap(", causes: [clock]", ""),
        "line 5: field trigger is wrong: enters needs causes: event, clock or both",
    ),
    "a cause that starts nothing": Broken(
        swap("[clock]", "[population]"),
        "line 5: field trigger.causes.0 is wrong: Input should be 'event' or 'clock' (it is "
        "'population')",
    ),
    "an unknown event": Broken(
        trigger("trigger: {event: order.plased}"),
        "line 5: field trigger.event is wrong: Input should be 'order.placed', 'order.cancelled', "
        "'return.registered', 'cart.updated', 'cart.abandoned', 'customer.updated', "
        "'consent.changed' or 'service.contacted' (it is 'order.plased')",
    ),
    "an order by the clock": Broken(
        trigger("trigger: {event: order.placed, causes: [event, clock]}"),
        "line 5: field trigger is wrong: only cart.abandoned may come by the clock",
    ),
    "a condition beside a segment": Broken(
        swap("causes", "when: {field: age, ge: 18}, causes"),
        "line 5: field trigger is wrong: when belongs to event and schedule; beside enters use the "
        "campaign's",
    ),
    "a date without a time": Broken(
        trigger("trigger: {date: birthday}"),
        'line 5: field trigger is wrong: date needs at, the time of day, as "09:00"',
    ),
    "a time that is none": Broken(
        trigger("trigger: {date: birthday, at: 24:00}"),
        "line 5: field trigger.at is wrong: '24:00' is no time of day; write \"09:00\"",
    ),
    "a date with causes": Broken(
        trigger("trigger: {date: birthday, at: 09:00, causes: [clock]}"),
        "line 5: field trigger is wrong: date takes no causes: it is the clock",
    ),
    "a week without its day": Broken(
        trigger("trigger:\n  schedule: {every: week, at: 09:00}"),
        "line 6: field trigger.schedule is wrong: every week needs on",
    ),
    "a quarter with a day": Broken(
        trigger("trigger:\n  schedule: {every: quarter, at: 09:00, day: 2}"),
        "line 6: field trigger.schedule is wrong: every quarter takes no day",
    ),
    "a day that a month may not have": Broken(
        trigger("trigger:\n  schedule: {every: month, at: 09:00, day: 31}"),
        "line 6: field trigger.schedule is wrong: there is no day 31 every month; at most 28",
    ),
    "a day that no year has": Broken(
        trigger("trigger:\n  schedule: {every: year, at: 09:00, month: 6, day: 31}"),
        "line 6: field trigger.schedule is wrong: there is no day 31 every year; at most 30",
    ),
    "a day of the week that is none": Broken(
        trigger("trigger:\n  schedule: {every: week, at: 09:00, on: mon}"),
        "line 6: field trigger.schedule.on is wrong: 'mon' is no day of the week; write monday, "
        "tuesday, wednesday, thursday, friday, saturday, sunday",
    ),
    "seasons that are none": Broken(
        trigger("trigger:\n  schedule: {every: quarter, at: 09:00, seasons: [3, 5]}"),
        "line 6: field trigger.schedule.seasons is wrong: [3, 5] is neither strongest nor a list of "
        "quarters as [3, 4]",
    ),
    # -- conditions
    "a condition with an unknown operator": Broken(
        more("when:\n  all:\n    - {field: age, ge: 18}\n    - nor: []"),
        "line 13: when: all[1]: unknown operator 'nor'; known are all, any, not, field, bought, "
        "segment",
    ),
    "a condition that somebody forgot": Broken(
        more("when:"), "line 10: field when is empty; fill or remove it"
    ),
    "an item that somebody forgot": Broken(
        more("tags:\n  - loyalty\n  -"), "line 12: field tags.1 is empty; fill or remove it"
    ),
    "a condition with an unknown segment": Broken(
        more("when:\n  segment: {scheme: behaviour, in: [Spending Limitter]}"),
        "line 10: when: scheme behaviour has no segment 'Spending Limitter'; its segments are Bulk "
        "Buyer, Promotion Maximizer, Revenue Reverser, Service Demander, Spending Limiter",
    ),
    "a condition with a date": Broken(
        more("when: {field: attribute.joined, in: [{on: 2026-01-31}]}"),
        "line 10: when: in: {'on': datetime.date(2026, 1, 31)} is no text, number, true or false; "
        "quote it: YAML reads true as no text, 10117 as a number and 2026-01-31 as a date",
    ),
    "a wrong condition of a trigger": Broken(
        trigger("trigger:\n  event: order.placed\n  when:\n    field: order_cout\n    ge: 2"),
        "line 8: trigger.when: field: unknown field 'order_cout'; known are attribute.<name>, "
        "order_count, monetary, average_order_value, return_rate, lifetime_order_count, "
        "lifetime_monetary, days_since_order, first_order_at, last_order_at, age, median_gap, "
        "units_per_order, discount_share, variation, service_cost, responds_to_offers",
    ),
    "a wrong condition of a variant": Broken(
        step(
            "name: three\n    after: 3d\n    valid_for: 1d\n    variants:\n"
            "      - {when: {field: monetary, ge: much}, template: t}"
        ),
        "line 13: steps.2.variants.0.when: ge: 'much' is no amount; write 100 or 99.90",
    ),
    # -- limits
    "one run per cart by a segment": Broken(
        more("key: cart"),
        "line 10: field key is cart, so nothing but cart.updated and cart.abandoned may start it",
    ),
    "re-entry of a cart": Broken(
        trigger("trigger: {event: cart.abandoned}\nre_entry: 7d"),
        "line 6: field re_entry is for key customer: every change of a cart is a cause of its own",
    ),
    "return rates without a cart": Broken(
        more("return_rates: true"), "line 10: field return_rates needs a cart: key cart"
    ),
    "quiet before an event": Broken(
        trigger("trigger: {event: order.placed}\nquiet: 30d"),
        "line 6: field quiet shuts out every start by an event: then the customer is not quiet",
    ),
    "a bad duration": Broken(
        more("quiet: a month"),
        f"line 10: field quiet is wrong: 'a month' is no duration; {DURATION}",
    ),
    "a re-entry that is none": Broken(
        more("re_entry: sometimes"),
        "line 10: field re_entry is wrong: 'sometimes' is neither each nor never nor a duration as "
        "60d",
    ),
    "a gap without a group": Broken(
        more("group_gap: 60d"), "line 10: field group_gap needs a group"
    ),
    "a mute without an end": Broken(
        more("mutes: {tags: [advertising]}"), "line 10: field mutes.for is missing"
    ),
    "a mute of nothing": Broken(
        more("mutes: {tags: [], for: 7d}"),
        "line 10: field mutes.tags is wrong: List should have at least 1 item after validation, not 0 "
        "(it is [])",
    ),
    "an unknown word for caps": Broken(
        more("caps: skip"),
        "line 10: field caps is wrong: Input should be 'defer', 'drop' or 'none' (it is 'skip')",
    ),
    "most of them as controls": Broken(
        more("control: 60%"), "line 10: field control is wrong: '60%' is not within 0% to 50%"
    ),
    "a control group without its sign": Broken(
        more("control: 10"), "line 10: field control is wrong: 10 is no share; write 80%"
    ),
    "a guard that lets nothing through": Broken(
        more("guard: {actions: 0}"),
        "line 10: field guard.actions is wrong: Input should be greater than or equal to 1 (it is 0)",
    ),
    "more suggestions than are known": Broken(
        more("suggestions: 21"),
        "line 10: field suggestions is wrong: Input should be less than or equal to 20 (it is 21)",
    ),
    # -- exits
    "an unknown event as exit": Broken(
        more("exits:\n  events: [order.placed, order.lost]"),
        "line 11: field exits.events.1.event is wrong: Input should be 'order.placed', "
        "'order.cancelled', 'return.registered', 'cart.updated', 'cart.abandoned', "
        "'customer.updated', 'consent.changed' or 'service.contacted' (it is 'order.lost')",
    ),
    "an unknown segment as exit": Broken(
        more("exits:\n  segments:\n    - {scheme: loyalty, segment: Vip}"),
        "line 12: scheme loyalty has no segment 'Vip'; its segments are VIP, Frequent Buyer, Loyal "
        "Customer, One Time Buyer",
    ),
    "leaving what nobody entered": Broken(
        trigger("trigger: {event: order.placed}\nexits: {leaving: true}"),
        "line 6: field exits.leaving needs a trigger that enters or gains",
    ),
    # -- steps
    "no steps": Broken(
        HELLO.partition("steps:")[0] + "steps: []\n",
        "line 6: field steps is wrong: List should have at least 1 item after validation, not 0 (it "
        "is [])",
    ),
    "steps out of order": Broken(
        swap("after: 2d", "after: 4d"),
        "line 9: field steps.2.after is before that of step two: sort the steps",
    ),
    "two steps of one name": Broken(
        swap("name: two", "name: one"), "line 8: two steps are called one"
    ),
    "a step that never lapses": Broken(
        swap("valid_for: 1d, offer", "offer"), "line 9: field steps.2.valid_for is missing"
    ),
    "a step that lapses at once": Broken(
        swap("valid_for: 1d, offer", "valid_for: 0s, offer"),
        "line 9: field steps.2.valid_for is wrong: '0s' must be longer than nothing",
    ),
    "an unknown offer": Broken(
        swap("points", "pionts"),
        f"line 9: the policy has no offer 'pionts'; known are {OFFERS}",
    ),
    "days without a time": Broken(
        step("{name: three, after: 3d, on: [monday], template: t, valid_for: 1d}"),
        'line 9: field steps.2 is wrong: on needs at, the time of day, as "09:00"',
    ),
    "rounds without a distance": Broken(
        step("{name: three, after: 3d, rounds: 3, template: t, valid_for: 1d}"),
        "line 9: field steps.2 is wrong: rounds needs every",
    ),
    "every hour": Broken(
        step("{name: three, after: 3d, every: 1h, template: t, valid_for: 1h}"),
        "line 9: field steps.2 is wrong: every is at least 1d: nobody wants more of one campaign",
    ),
    "rounds that overlap": Broken(
        step("{name: three, after: 3d, every: 7d, template: t, valid_for: 8d}"),
        "line 9: field steps.2 is wrong: valid_for must not exceed every, or two rounds go out at "
        "once",
    ),
    "a step after one that repeats": Broken(
        swap("{name: two, after: 2d", "{name: two, after: 2d, every: 7d"),
        "line 8: field steps.1.every belongs to the last step: three comes after",
    ),
    "neither template nor variants": Broken(
        step("{name: three, after: 3d, valid_for: 1d}"),
        "line 9: field steps.2 is wrong: give either template or variants",
    ),
    "an offer beside variants": Broken(
        step("{name: three, after: 3d, valid_for: 1d, offer: gift, variants: [{template: t}]}"),
        "line 9: field steps.2 is wrong: an offer stands in the variant whose template it goes with",
    ),
    "a variant that does two things": Broken(
        step("{name: three, after: 3d, valid_for: 1d, variants: [{template: t, skip: true}]}"),
        "line 9: field steps.2.variants.0 is wrong: give exactly one of template, skip and stop",
    ),
    "a variant that gives without a word": Broken(
        step("{name: three, after: 3d, valid_for: 1d, variants: [{skip: true, offer: gift}]}"),
        "line 9: field steps.2.variants.0 is wrong: an offer needs a template",
    ),
    "an unknown offer in a variant": Broken(
        step(
            "name: three\n    after: 3d\n    valid_for: 1d\n    variants:\n"
            "      - template: t\n        offer: cash"
        ),
        f"line 14: the policy has no offer 'cash'; known are {OFFERS}",
    ),
    "a variant that nobody gets to": Broken(
        step(
            "name: three\n    after: 3d\n    valid_for: 1d\n    variants:\n"
            "      - {template: t}\n      - {stop: true}"
        ),
        "line 14: nobody gets here: variant 1 of step three is for everybody",
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_campaign(broken: Broken, tmp_path: Path) -> None:
    path = tmp_path / "campaigns" / "hello.yaml"
    path.parent.mkdir()
    path.write_text(broken.text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path), **broken.chosen))
    assert str(raised.value) == f"{path}, {broken.said}"


def test_the_campaign_that_all_of_them_break_is_right(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "hello.yaml").write_text(HELLO, encoding="utf-8")
    rules_text(load_settings(rules_dir=str(tmp_path)))


def test_files_know_the_events_that_the_core_knows() -> None:
    assert get_args(EventName) == EVENTS


# -- the policy ----------------------------------------------------------------------------------

POLICY = """\
caps:
  - {actions: 1, per: 16h}
quiet_hours: {from: "21:00", to: "08:00"}
holdout: 0%
seasons: [3, 4]
mutes:
  - {scheme: behaviour, segment: Spending Limiter, tags: [cross_sell]}
offers:
  classes:
    gift: {perk: true, expires: 14d}
    less: {discount: 10%, expires: 14d}
  floor: 10%
"""
BROKEN_POLICIES = {
    "a misspelt field": Broken(
        swap("holdout", "hold_out", POLICY),
        "line 4: field hold_out is unknown; did you mean holdout? known here: caps, holdout, mutes, "
        "offers, quiet_hours, seasons (and 1 more)",
    ),
    "a missing field": Broken(
        swap("holdout: 0%\n", "", POLICY), "line 1: field holdout is missing"
    ),
    "a cap beyond what is remembered": Broken(
        swap("16h", "32d", POLICY),
        "line 2: field caps.0.per is longer than caps look back, 31d",
    ),
    "a cap of nothing": Broken(
        swap("actions: 1,", "actions: 0,", POLICY),
        "line 2: field caps.0.actions is wrong: Input should be greater than or equal to 1 (it is 0)",
    ),
    "a cap on what reaches nobody": Broken(
        swap("per: 16h", "per: 16h, channel: webhook", POLICY),
        "line 2: field caps.0.channel is webhook, which reaches nobody and has no cap",
    ),
    "an unknown channel": Broken(
        swap("per: 16h", "per: 16h, channel: mail", POLICY),
        "line 2: field caps.0.channel is wrong: Input should be 'email', 'sms', 'push', 'post' or "
        "'webhook' (it is 'mail')",
    ),
    "quiet hours of no length": Broken(
        swap("08:00", "21:00", POLICY),
        "line 3: field quiet_hours is wrong: from and to are the same; write quiet_hours: none",
    ),
    "quiet hours that are none": Broken(
        swap("21:00", "9 pm", POLICY),
        "line 3: field quiet_hours.from is wrong: '9 pm' is no time of day; write \"09:00\"",
    ),
    "most of them held out": Broken(
        swap("0%\nsea", "51%\nsea", POLICY),
        "line 4: field holdout is wrong: '51%' is not within 0% to 50%",
    ),
    "a fifth quarter": Broken(
        swap("[3, 4]", "[4, 5]", POLICY),
        "line 5: field seasons.1 is wrong: Input should be less than or equal to 4 (it is 5)",
    ),
    "an unknown flag": Broken(
        swap("Spending Limiter", "Spendthrift", POLICY),
        "line 7: scheme behaviour has no segment 'Spendthrift'; its segments are Bulk Buyer, "
        "Promotion Maximizer, Revenue Reverser, Service Demander, Spending Limiter",
    ),
    "an unknown scheme": Broken(
        swap("scheme: behaviour", "scheme: behavior", POLICY),
        f"line 7: there is no scheme 'behavior'; known are {SCHEMES}",
    ),
    "an offer of two kinds": Broken(
        swap("{perk: true", "{perk: true, discount: 5%", POLICY),
        "line 10: field offers.classes.gift is wrong: give either discount or perk: true",
    ),
    "a discount of everything": Broken(
        swap("discount: 10%", "discount: 100%", POLICY),
        "line 11: field offers.classes.less.discount is wrong: '100%' is not within 1% to 99%",
    ),
    "a floor of everything": Broken(
        swap("floor: 10%", "floor: 100%", POLICY),
        "line 12: field offers.floor is wrong: '100%' is not within 0% to 99%",
    ),
}


@pytest.mark.parametrize("broken", BROKEN_POLICIES.values(), ids=BROKEN_POLICIES.keys())
def test_a_broken_policy(broken: Broken, tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()  # the shipped ones make the shipped offers
    path = tmp_path / "policy.yaml"
    path.write_text(broken.text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path)))
    assert str(raised.value) == f"{path}, {broken.said}"
    path.write_text(POLICY, encoding="utf-8")
    rules_text(load_settings(rules_dir=str(tmp_path)))


def test_a_campaign_makes_the_offers_of_the_shops_own_policy(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "campaigns" / "hello.yaml"
    path.write_text(HELLO, encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        rules_text(load_settings(rules_dir=str(tmp_path)))
    assert (
        str(raised.value)
        == f"{path}, line 9: the policy has no offer 'points'; known are gift, less"
    )


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlim", "did you mean Europe/Berlin?"),
        ("7/7/7", "write one as Europe/Berlin"),
    ],
)
def test_a_time_zone_that_is_none(zone: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_settings(time_zone=zone)
    assert str(raised.value) == (
        f"settings: time_zone: there is no time zone {zone!r}; {said} (set RFM_TIME_ZONE)"
    )
