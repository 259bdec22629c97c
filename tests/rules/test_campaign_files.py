"""Campaign files and policies into the journaled form: every feature, defaults, and what is left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.rules import compile_rules
from streams.core.tree import journaled_tree
from streams.rules.asked_segments import FLAGS, RANKED
from streams.rules.campaign_files import initial_arming
from streams.rules.campaign_models import CampaignFile
from streams.rules.describe import describe_rules
from streams.rules.files import read_rules, rules_text
from streams.settings import load_settings
from streams.yaml_file import YamlFile
from tests.command_line import run_command

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
HEAD = "name: hello\nversion: 1\npriority: 1\nchannels: [email]\n"
STEPS = "steps: [{name: one, after: 0s, template: t, valid_for: 1d}]\n"
EVERYTHING = """\
name: everything
version: 3
priority: 35
channels: [push, email]
tags: [loyalty, advertising]
triggers:
  - enters: {scheme: rfm, segment: At Risk, from: [Champions, Loyal Customers], direction: down}
    causes: [clock]
  - leaves: {scheme: loyalty, segment: VIP, direction: down}
    causes: [clock]
  - gains: {scheme: behaviour, segment: Bulk Buyer}
    causes: [clock]
  - loses: {scheme: behaviour, segment: Service Demander}
    causes: [clock]
  - {date: birthday, at: 09:00}
  - {date: first_order, at: "9:30"}
  - schedule: {every: day, at: 10:00}
    when: {field: monetary, ge: 99.90}
  - schedule: {every: week, at: 10:00, on: sunday}
  - schedule: {every: month, at: 10:00, day: 28}
  - schedule: {every: quarter, at: 10:00, seasons: strongest}
  - schedule: {every: year, at: 23:59, month: 2, day: 29, seasons: [4, 1]}
when:
  all:
    - {field: attribute.country, in: [NO, SE]}
    - {bought: {category: tea, within: 90d}}
quiet: 30d
re_entry: 60d
group: reactivation
group_gap: 8w
mutes: {tags: [newsletter], for: 21d}
exits:
  events:
    - cart.updated
    - {event: order.placed, when: {field: order_count, ge: 2}}
  segments:
    - {scheme: rfm, segment: Champions}
    - {scheme: behaviour, segment: Revenue Reverser}
  leaving: false
max_start_delay: 1d
caps: drop
quiet_hours: false
control: 0%
guard: {actions: 50, per: 30m, share: 5%}
suggestions: 4
steps:
  - {name: first, after: 0s, valid_for: 12h, template: hello_first, offer: free_delivery}
  - name: second
    after: 3d
    at: 09:00
    on: [saturday, monday]
    valid_for: 1d
    variants:
      - {when: {segment: {scheme: value, in: [A]}}, template: hello_best, offer: gift}
      - {when: {field: age, lt: 18}, skip: true}
      - {when: {segment: {scheme: lifecycle, in: [Lost]}}, stop: true}
      - {template: hello_second}
  - name: again
    after: 14d
    on: friday
    at: 18:30
    every: 14d
    rounds: 6
    valid_for: 7d
    template: hello_again
"""
CLOCK = ["clock"]


def own(folder: Path, **texts: str) -> dict[str, Any]:
    """A folder with these campaigns, and only these."""
    (folder / "campaigns").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / "campaigns" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return {"rules_dir": str(folder)}


def campaign(folder: Path, text: str, **chosen: Any) -> dict[str, Any]:
    chosen.setdefault("schemes", "full")
    settings = load_settings(**own(folder, hello=text), **chosen)
    (found,) = json.loads(rules_text(settings))["campaigns"]
    return dict(found)


def schedule(every: str, at_ms: int, **given: Any) -> dict[str, Any]:
    empty = {"weekday": None, "day": None, "month": None, "seasons": None, "when": None}
    return {"kind": "schedule", "every": every, "minute": at_ms // MINUTE, **empty, **given}


def entry(kind: str, scheme: str, segment: str, **given: Any) -> dict[str, Any]:
    asked = {"scheme": scheme, "segment": segment, "from": None, "direction": None}
    return {"kind": kind, **asked, "causes": CLOCK, **given}


def act(template: str, offer: str | None = None, when: Any = None) -> dict[str, Any]:
    return {"when": when, "does": "act", "template": template, "offer": offer}


def test_everything_a_campaign_can_say(tmp_path: Path) -> None:
    found = campaign(tmp_path, EVERYTHING)
    triggers, steps, exits = (found.pop(key) for key in ("triggers", "steps", "exits"))
    assert found == {
        "name": "everything",
        "version": 3,
        "priority": 35,
        "channels": ["push", "email"],
        "tags": ["advertising", "loyalty"],
        "key": "customer",
        "when": journaled_tree(
            {
                "all": [
                    {"field": "attribute.country", "in": ["NO", "SE"]},
                    {"bought": {"category": "tea", "within": "90d"}},
                ]
            },
            2,
        ),
        "quiet_ms": 30 * DAY,
        "re_entry_ms": 60 * DAY,
        "group": "reactivation",
        "group_gap_ms": 56 * DAY,
        "mutes": {"tags": ["newsletter"], "for_ms": 21 * DAY},
        "max_start_delay_ms": DAY,
        "is_capped": True,
        "beyond_cap": "drop",
        "keeps_quiet_hours": False,
        "control_percent": 0,
        "flood": {"most": 50, "per_ms": 30 * MINUTE, "share_percent": 5},
        "suggestions": 4,
        "tells_return_rates": False,
    }
    assert triggers == [
        entry(
            "enters",
            "rfm",
            "At Risk",
            **{"from": ["Champions", "Loyal Customers"], "direction": "down"},
        ),
        entry("leaves", "loyalty", "VIP", direction="down"),
        entry("enters", "behaviour", "Bulk Buyer"),
        entry("leaves", "behaviour", "Service Demander"),
        {"kind": "date", "date": "birthday", "minute": 540},
        {"kind": "date", "date": "first_order", "minute": 570},
        schedule("day", 10 * HOUR, when={"field": "monetary_minor", "ge": 9990}),
        schedule("week", 10 * HOUR, weekday=6),
        schedule("month", 10 * HOUR, day=28),
        schedule("quarter", 10 * HOUR, seasons="strongest"),
        schedule("year", 23 * HOUR + 59 * MINUTE, month=2, day=29, seasons=[1, 4]),
    ]
    assert exits == {
        "events": [
            {"event": "cart.updated", "when": None},
            {"event": "order.placed", "when": {"field": "order_count", "ge": 2}},
        ],
        "segments": [
            {"scheme": "rfm", "segment": "Champions"},
            {"scheme": "behaviour", "segment": "Revenue Reverser"},
        ],
        "leaving": False,
    }
    plain = {"minute": None, "weekdays": None, "every_ms": None, "rounds": None}
    assert steps == [
        {
            "name": "first",
            "after_ms": 0,
            **plain,
            "valid_for_ms": 12 * HOUR,
            "variants": [act("hello_first", "free_delivery")],
        },
        {
            "name": "second",
            "after_ms": 3 * DAY,
            **plain,
            "minute": 540,
            "weekdays": [0, 5],
            "valid_for_ms": DAY,
            "variants": [
                act("hello_best", "gift", {"segment": {"scheme": "value", "in": ["A"]}}),
                {
                    "when": {"field": "age", "lt": 18},
                    "does": "skip",
                    "template": "",
                    "offer": None,
                },
                {
                    "when": {"segment": {"scheme": "lifecycle", "in": ["Lost"]}},
                    "does": "stop",
                    "template": "",
                    "offer": None,
                },
                act("hello_second"),
            ],
        },
        {
            "name": "again",
            "after_ms": 14 * DAY,
            "minute": 18 * 60 + 30,
            "weekdays": [4],
            "every_ms": 14 * DAY,
            "rounds": 6,
            "valid_for_ms": 7 * DAY,
            "variants": [act("hello_again")],
        },
    ]


def test_what_a_campaign_need_not_say(tmp_path: Path) -> None:
    text = f"{HEAD}trigger: {{event: order.placed}}\n{STEPS}"
    found = campaign(tmp_path, text)
    left_to_it = {
        key: one for key, one in found.items() if key not in {"name", "version", "priority"}
    }
    assert left_to_it == {
        "channels": ["email"],
        "tags": [],
        "key": "customer",
        "triggers": [{"kind": "event", "event": "order.placed", "when": None, "causes": ["event"]}],
        "when": None,
        "quiet_ms": 0,
        "re_entry_ms": 0,
        "group": None,
        "group_gap_ms": 0,
        "mutes": None,
        "exits": {
            "events": [{"event": "order.placed", "when": None}],
            "segments": [],
            "leaving": False,
        },
        "max_start_delay_ms": 7 * DAY,
        "is_capped": True,
        "keeps_quiet_hours": True,
        "beyond_cap": "defer",
        "control_percent": 10,
        "flood": {"most": 10_000, "per_ms": HOUR, "share_percent": 20},
        "suggestions": 0,
        "tells_return_rates": False,
        "steps": [
            {
                "name": "one",
                "after_ms": 0,
                "minute": None,
                "weekdays": None,
                "every_ms": None,
                "rounds": None,
                "valid_for_ms": DAY,
                "variants": [act("t")],
            }
        ],
    }


@pytest.mark.parametrize(
    ("written", "journaled"),
    [
        ("re_entry: each", {"re_entry_ms": 0}),
        ("re_entry: never", {"re_entry_ms": None}),
        ("caps: none", {"is_capped": False, "beyond_cap": "defer"}),
        ("caps: defer", {"is_capped": True, "beyond_cap": "defer"}),
        ("exits: {segments: [{scheme: rfm, segment: Champions}]}", {}),
        ("control: 50%", {"control_percent": 50}),
    ],
)
def test_words_for_limits(written: str, journaled: dict[str, Any], tmp_path: Path) -> None:
    text = f"{HEAD}trigger: {{event: order.placed}}\n{written}\n{STEPS}"
    found = campaign(tmp_path, text)
    assert {**found, **journaled} == found
    # Whatever else exits name: an order ends a run unless it is said not to.
    assert found["exits"]["events"] == [{"event": "order.placed", "when": None}]


@pytest.mark.parametrize(
    ("trigger", "key", "causes", "leaving"),
    [
        ("{event: cart.abandoned}", "cart", ["event", "clock"], False),
        ("{event: cart.abandoned, causes: [clock]}", "cart", ["clock"], False),
        ("{event: cart.abandoned}\nkey: customer", "customer", ["event", "clock"], False),
        ("{event: cart.updated}\nkey: cart", "cart", ["event"], False),
        ("{event: service.contacted}", "customer", ["event"], False),
        (
            "{enters: {scheme: rfm, segment: At Risk}, causes: [clock, event]}",
            "customer",
            ["event", "clock"],
            True,
        ),
        (
            "{gains: {scheme: behaviour, segment: Bulk Buyer}, causes: [event]}",
            "customer",
            ["event"],
            True,
        ),
        (
            "{leaves: {scheme: rfm, segment: At Risk}, causes: [event]}",
            "customer",
            ["event"],
            False,
        ),
    ],
)
def test_what_follows_from_a_trigger(
    trigger: str, key: str, causes: list[str], leaving: bool, tmp_path: Path
) -> None:
    found = campaign(tmp_path, f"{HEAD}trigger: {trigger}\n{STEPS}")
    (started,) = found["triggers"]
    assert (found["key"], started["causes"]) == (key, causes)
    assert found["exits"]["leaving"] is leaving


def test_plain_words_and_times_are_texts_as_editors_read_them(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("on: NO\nat: 21:30\noff: yes\ncode: 010\nnumber: -3\ntrue: false\nhalf: 0.5\n")
    assert YamlFile.load(path).data == {
        "on": "NO",
        "at": "21:30",
        "off": "yes",
        "code": "010",
        "number": -3,
        True: False,
        "half": 0.5,
    }


# -- schemes that do not run ---------------------------------------------------------------------


def test_what_files_say_of_schemes_is_what_the_core_says() -> None:
    compiled = compile_rules(rules_text(load_settings(schemes="full", rfm_maps="grid")), 1).schemes
    assert {one.name for one in compiled if one.is_flags} == FLAGS
    assert {one.name for one in compiled if one.is_ranked and one.kind != "map"} == RANKED


def left_out(folder: Path, text: str, schemes: str, **chosen: Any) -> str | None:
    settings = load_settings(schemes=schemes, **own(folder, hello=text), **chosen)
    read = read_rules(settings)
    assert len(read.document["campaigns"]) + len(read.left_out) == 1
    return read.left_out.get("hello")


def test_a_campaign_that_no_running_scheme_starts_is_left_out_with_the_reason(
    tmp_path: Path,
) -> None:
    text = f"{HEAD}trigger: {{enters: {{scheme: lifecycle, segment: Sleeper}}, causes: [clock]}}\n{STEPS}"
    assert left_out(tmp_path, text, "lifecycle") is None
    assert left_out(tmp_path, text, "starter") == "needs scheme lifecycle, which does not run"
    grid = text.replace("lifecycle, segment: Sleeper", "rfm_grid, segment: Recent")
    assert left_out(tmp_path, grid, "starter") == "needs scheme rfm_grid, which does not run"
    assert left_out(tmp_path, grid, "starter", rfm_maps="grid") is None


def test_one_of_several_triggers_is_enough(tmp_path: Path) -> None:
    text = (
        f"{HEAD}triggers:\n"
        "  - {gains: {scheme: behaviour, segment: Bulk Buyer}, causes: [event]}\n"
        "  - {enters: {scheme: value, segment: A}, causes: [event]}\n"
        f"{STEPS}"
    )
    assert left_out(tmp_path, text, "rfm") == "needs schemes behaviour, value, which do not run"
    assert left_out(tmp_path, text, "value") is None
    # The same campaign, so that more schemes make no new version of it.
    assert campaign(tmp_path, text, schemes="value") == campaign(tmp_path, text, schemes="full")


IN_C = "{segment: {scheme: value, in: [C]}}"
AGED = "{field: age, ge: 18}"


@pytest.mark.parametrize(
    ("condition", "reached"),
    [
        (IN_C, False),
        (f"{{not: {IN_C}}}", True),
        (f"{{not: {{not: {IN_C}}}}}", False),
        (f"{{all: [{IN_C}, {AGED}]}}", False),
        (f"{{any: [{IN_C}, {AGED}]}}", True),
        (f"{{any: [{IN_C}, {IN_C}]}}", False),
        (f"{{not: {{any: [{IN_C}, {AGED}]}}}}", True),
        (f"{{not: {{all: [{IN_C}, {AGED}]}}}}", True),
        (f"{{not: {{any: [{{not: {IN_C}}}, {AGED}]}}}}", False),
        (AGED, True),
        ("{segment: {scheme: loyalty, in: [VIP]}}", True),
    ],
)
@pytest.mark.parametrize("place", ["campaign", "trigger"])
def test_a_condition_that_nobody_can_meet_leaves_it_out_too(
    condition: str, reached: bool, place: str, tmp_path: Path
) -> None:
    inside = f", when: {condition}" if place == "trigger" else ""
    beside = f"when: {condition}\n" if place == "campaign" else ""
    text = f"{HEAD}trigger: {{event: order.placed{inside}}}\n{beside}{STEPS}"
    reason = None if reached else "needs scheme value, which does not run"
    assert left_out(tmp_path, text, "starter") == reason
    assert left_out(tmp_path, text, "value,loyalty") is None


def test_names_are_checked_whether_their_schemes_run_or_not(tmp_path: Path) -> None:
    # A shop's own segments too, and those of maps whose limits do not fit the settings.
    attributes = tmp_path / "schemes" / "attributes.yaml"
    attributes.parent.mkdir()
    attributes.write_text("segments:\n  - {name: Adult, when: {field: age, ge: 18}}\n")
    text = (
        f"{HEAD}trigger: {{event: order.placed}}\n"
        "when:\n  not:\n    any:\n"
        "      - {segment: {scheme: attributes, in: [Adult]}}\n"
        "      - {segment: {scheme: rfm_three_by_three, in: [Inactive]}}\n"
        f"{STEPS}"
    )
    short = {"window_days": 200, "recency_limits_days": [5, 10, 20, 30]}
    assert left_out(tmp_path, text, "starter", **short) is None


def test_check_settings_says_what_is_left_out_and_what_is_muted_in_vain(tmp_path: Path) -> None:
    own(
        tmp_path,
        sleeping=HEAD.replace("hello", "sleeping")
        + "trigger: {enters: {scheme: lifecycle, segment: Sleeper}, causes: [clock]}\n"
        + STEPS,
        hello=f"{HEAD}trigger: {{event: order.placed}}\n"
        f"mutes: {{tags: [advertsing], for: 7d}}\n{STEPS}",
    )
    ran = run_command({"RFM_RULES_DIR": str(tmp_path)}, "check-settings")
    assert ran.code == 0, ran.err
    said = ran.err.splitlines()
    assert (
        "rfm-streams: campaign sleeping is left out: it needs scheme lifecycle, which does not run "
        "(RFM_SCHEMES)"
    ) in said
    assert "rfm-streams: warning: advertsing is muted, and no campaign has that tag" in said
    assert "campaign hello\tversion 1, priority 1, by email" in ran.out.splitlines()
    assert "sleeping" not in ran.out


# -- how campaigns begin -------------------------------------------------------------------------


def test_a_file_may_leave_it_to_a_person_to_arm_it(tmp_path: Path) -> None:
    names = ("armed", "unarmed", "dry", "sleeping")
    lines = ("armed: true", "armed: false", "dry_run: true", "armed: false")
    texts = {
        name: f"{HEAD.replace('hello', name)}trigger: {{event: order.placed}}\n{line}\n{STEPS}"
        for name, line in zip(names, lines, strict=True)
    }
    texts["sleeping"] += "when: {segment: {scheme: value, in: [C]}}\n"
    found = read_rules(load_settings(**own(tmp_path, **texts))).document
    assert found["retired"] == []
    decided = {
        "future": True,
        "paused": False,
        "release": 0,
        "present_since": 0,
        "most": None,
    }
    assert found["arming"] == {
        "dry": {"armed": True, "dry_run": True, **decided},
        "unarmed": {"armed": False, "dry_run": False, **decided},
    }
    compiled = compile_rules(rules_text(load_settings(rules_dir=str(tmp_path))), 1).book.current
    assert {name: (one.is_armed, one.is_dry_run) for name, one in compiled.items()} == {
        "armed": (True, False),
        "unarmed": (False, False),
        "dry": (True, True),
    }
    assert initial_arming([CampaignFile.model_validate(_data(texts["armed"], tmp_path))]) == {}


def _data(text: str, folder: Path) -> dict[str, Any]:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return YamlFile.load(path).data


# -- the policy ----------------------------------------------------------------------------------


def policy(**chosen: Any) -> dict[str, Any]:
    return dict(json.loads(rules_text(load_settings(**chosen)))["policy"])


def test_the_shipped_policy() -> None:
    found = policy()
    classes = found["offers"].pop("classes")
    assert found == {
        "time_zone": "UTC",
        "quiet_hours": {"starts_minute": 21 * 60, "ends_minute": 8 * 60},
        "caps": [
            {"per_ms": 16 * HOUR, "most": 1, "channel": None},
            {"per_ms": 7 * DAY, "most": 3, "channel": None},
        ],
        "holdout_percent": 0,
        "seasons": [3, 4],
        "flag_mutes": [
            {"scheme": "behaviour", "segment": "Spending Limiter", "tags": ["cross_sell"]}
        ],
        "offers": {
            "floor_percent": 10,
            "floors_percent": {},
            "never_discounted": [],
            "without_costs": False,
        },
    }
    perks = {"free_delivery", "strong", "club_benefit", "points", "gift", "early_access"}
    assert {name for name, one in classes.items() if one["is_perk"]} == perks
    assert {name: one["percent"] for name, one in classes.items() if not one["is_perk"]} == {
        "discount_10": 10,
        "discount_15": 15,
    }
    assert all(one["percent"] == 0 for one in classes.values() if one["is_perk"])
    assert all(one["expires_ms"] >= DAY for one in classes.values())


def test_a_policy_of_the_shops_own_takes_its_place(tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / "policy.yaml").write_text(
        "caps:\n  - {actions: 2, per: 24h, channel: sms}\nquiet_hours: none\nholdout: 5%\n"
        "seasons: [4, 1, 4]\noffers:\n  classes:\n    less: {discount: 20%, expires: 3d}\n"
        "  floor: 0%\n  floors: {Tea & more: 35%}\n  never_discounted: [books]\n"
        "  without_costs: all\n"
    )
    assert policy(rules_dir=str(tmp_path), time_zone="Europe/Berlin") == {
        "time_zone": "Europe/Berlin",
        "quiet_hours": None,
        "caps": [{"per_ms": DAY, "most": 2, "channel": "sms"}],
        "holdout_percent": 5,
        "seasons": [1, 4],
        "flag_mutes": [],
        "offers": {
            "classes": {"less": {"percent": 20, "is_perk": False, "expires_ms": 3 * DAY}},
            "floor_percent": 0,
            "floors_percent": {"Tea & more": 35},
            "never_discounted": ["books"],
            "without_costs": True,
        },
    }
    told = dict(describe_rules(rules_text(load_settings(rules_dir=str(tmp_path)))))
    assert {
        name: told[name] for name in ("quiet hours", "caps for each customer", "offer less")
    } == {
        "quiet hours": "none",
        "caps for each customer": "at most 2 in 1d by sms",
        "offer less": "20 % off, expires after 3d",
    }
    assert told["discounts"] == (
        "0 % margin left, 35 % for Tea & more; never on books; also where unit costs are unknown"
    )


def test_a_campaign_in_words(tmp_path: Path) -> None:
    text = rules_text(load_settings(schemes="full", **own(tmp_path, hello=EVERYTHING)))
    told = {
        name.removeprefix("everything: "): said
        for name, said in describe_rules(text)
        if "everything" in name
    }
    assert told.pop("starts").split("; or ") == [
        "enters At Risk of rfm from Champions or Loyal Customers downwards by the clock",
        "leaves VIP of loyalty downwards by the clock",
        "gains Bulk Buyer of behaviour by the clock",
        "loses Service Demander of behaviour by the clock",
        "birthday at 09:00",
        "day of the first order, each year at 09:30",
        "every day at 10:00 where monetary >= 99.90",
        "every sunday at 10:00",
        "day 28 of every month at 10:00",
        "the first day of every quarter at 10:00 in the two strongest quarters",
        "every 29 February at 23:59 in Q1, Q4",
    ]
    assert told == {
        "campaign everything": "version 3, priority 35, by push, email; tags advertising, loyalty; "
        "4 suggestions",
        "for": "country is one of NO, SE and bought category tea within 90d",
        "not": "within 30d of any event of the customer; within 60d of its last start; beside another "
        "of group reactivation, nor within 56d of its start; later than 1d after its cause",
        "ends": "cart.updated; order.placed where order_count >= 2; entering Champions of rfm; "
        "entering Revenue Reverser of behaviour",
        "limits": "is dropped beyond caps; knows no quiet hours; 0 % control group; pauses beyond 50 "
        "actions or 5 % of the customers in 30m; mutes newsletter for 21d",
        "step first": "after 0s: hello_first with free_delivery; valid for 12h",
        "step second": "after 3d at 09:00 on monday or saturday: hello_best with gift where value is "
        "A; else nothing where age < 18; else the end where lifecycle is Lost; else hello_second; "
        "valid for 1d",
        "step again": "after 14d at 18:30 on friday, every 14d, at most 6 times: hello_again; valid "
        "for 7d",
    }


def test_a_campaign_per_cart_and_how_it_was_armed_in_words(tmp_path: Path) -> None:
    text = (
        f"{HEAD}trigger: {{event: cart.updated}}\nreturn_rates: true\narmed: false\ndry_run: true\n"
        f"caps: none\nexits: {{events: []}}\n{STEPS}"
    )
    document = json.loads(rules_text(load_settings(**own(tmp_path, hello=text))))
    told = dict(describe_rules(json.dumps(document)))
    assert told["campaign hello"] == (
        "version 1, priority 1, by email; one run per cart; return rates of the cart's items; not "
        "armed; dry run"
    )
    assert told["hello: starts"] == "cart.updated"
    assert told["hello: ends"] == "with its last step"
    assert told["hello: limits"].startswith("knows no caps; 10 % control group; ")
    # What a person decided since stands in the document, too.
    document["arming"]["hello"] = {"paused": True}
    assert dict(describe_rules(json.dumps(document)))["campaign hello"].endswith("; paused")
