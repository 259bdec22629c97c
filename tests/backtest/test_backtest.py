"""`backtest` over a small history in which every figure is known."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.backtest.telling import READING
from tests.backtest.history import (
    CART,
    ENVIRONMENT,
    FROM,
    HISTORY,
    THANKS,
    TO,
    write_campaigns,
    write_history,
    write_rules,
)
from tests.command_line import Ran, run_command

Rows = list[dict[str, str]]
PERIOD = ("--from", FROM, "--to", TO)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_history(tmp_path)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "mine", THANKS, CART)


def backtest(events: Path, rules: Path, *arguments: str, period: tuple[str, ...] = PERIOD) -> Ran:
    """Run the command without a picture, which has tests of its own."""
    return run_command(
        ENVIRONMENT,
        "backtest",
        str(events),
        *period,
        "--campaigns",
        str(rules),
        "--no-picture",
        *arguments,
    )


def written(folder: Path, name: str) -> Rows:
    """The rows of one file."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_of_a_small_history(events: Path, mine: Path, tmp_path: Path) -> None:
    """Given carts and orders before the period and in it, then only what starts in it is told."""
    out = tmp_path / "out"
    ran = backtest(events, mine, "--consent", "allow", "--out", str(out))
    assert ran.code == 0, ran.err
    # A cart is left an hour after its change: D's half an hour before the period, H's at its first
    # instant, C's in it. B's order of 31 January started nothing, F's thanks would come after the end.
    told = [
        ("H", "cart", "2026-02-01T01:00:00.000Z", "your_cart", "", "false", "0.00"),
        ("C", "cart", "2026-02-01T01:30:00.000Z", "your_cart", "", "false", "0.00"),
        ("A", "thanks", "2026-02-03T10:00:00.000Z", "thanks", "free_delivery", "true", "20.00"),
        ("B", "thanks", "2026-02-11T10:00:00.000Z", "thanks", "free_delivery", "false", "0.00"),
        ("E", "thanks", "2026-02-21T10:00:00.000Z", "thanks", "free_delivery", "true", "40.00"),
    ]
    actions = written(out, "actions.csv")
    columns = ("customer_id", "campaign", "decided_at", "template", "voucher_class")
    bought = ("purchase_7d", "net_7d")
    assert [tuple(row[name] for name in (*columns, *bought)) for row in actions] == told
    assert {(row["rule_set"], row["control_group"], row["called_off"]) for row in actions} == {
        ("campaigns", "false", "")
    }
    assert [row["due_at"] for row in actions] == [row["decided_at"] for row in actions]
    held = [
        (row["customer_id"], row["campaign"], row["step"], row["reason"], row["decided_at"])
        for row in written(out, "suppressed.csv")
    ]
    assert held == [
        ("G", "thanks", "first", "no_consent", "2026-02-04T10:00:00.000Z"),
        ("A", "thanks", "first", "re_entry", "2026-02-05T10:00:00.000Z"),
        ("B", "thanks", "first", "re_entry", "2026-02-12T10:00:00.000Z"),
    ]
    cart, thanks = written(out, "summary.csv")
    # On 3 February 1 of 2 known customers buys within 7 days, on the 11th 0 of 3, on the 21st 1 of 4.
    assert thanks == {
        "rule_set": "campaigns",
        "campaign": "thanks",
        "sent": "3",
        "customers": "3",
        "controls": "0",
        "called_off": "0",
        "suppressed": "3",
        "suppressed_by_reason": "no_consent=1|re_entry=2",
        "sent_followed": "3",
        "sent_bought": "2",
        "sent_bought_percent": "66.7",
        "controls_followed": "0",
        "controls_bought": "0",
        "controls_bought_percent": "",
        "all_customers_percent": "25.0",
        "orders_after": "2",
        "net_after": "60.00",
        "currency": "EUR",
    }
    assert (cart["sent"], cart["sent_bought"], cart["all_customers_percent"]) == ("2", "0", "50.0")
    assert not (out / "only_one.csv").exists()
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["campaigns"]["campaigns"]["thanks"]["suppressed"] == {
        "no_consent": 1,
        "re_entry": 2,
    }
    assert summary["rule_sets"]["campaigns"]["customers_addressed"] == 5
    assert summary["reading"] == READING


def test_the_terminal_says_the_same_and_how_to_read_it(events: Path, mine: Path) -> None:
    ran = backtest(events, mine, "--consent", "allow")
    lines = ran.out.splitlines()
    assert "thanks\t3\t3\t0\t0\t3" in lines
    assert "thanks\t66.7 % (2 of 3)\t\t25.0 %" in lines
    assert "thanks\tre_entry\t2" in lines
    assert "5 of 8 customers would have been sent something" in ran.err
    assert "consent of customers who never said yes or no: allow" in ran.err
    assert READING in ran.err


@pytest.mark.parametrize(
    ("consent", "addressed", "refused"),
    [
        # G said no, whatever the policy.
        ((), {"A", "B", "E"}, {"C", "G", "H"}),
        (("--consent", "after_purchase"), {"A", "B", "E"}, {"C", "G", "H"}),
        (("--consent", "deny"), set(), {"A", "B", "C", "E", "G", "H"}),
    ],
)
def test_consent_is_stated(
    consent: tuple[str, ...],
    addressed: set[str],
    refused: set[str],
    events: Path,
    mine: Path,
    tmp_path: Path,
) -> None:
    ran = backtest(events, mine, *consent, "--out", str(tmp_path / "out"))
    assert ran.code == 0, ran.err
    assert {row["customer_id"] for row in written(tmp_path / "out", "actions.csv")} == addressed
    assert {
        row["customer_id"]
        for row in written(tmp_path / "out", "suppressed.csv")
        if row["reason"] == "no_consent"
    } == refused


def test_where_history_ends_nobody_knows_what_followed(mine: Path, tmp_path: Path) -> None:
    """Given a history that ends on 26 February, then what was sent on the 21st is in no share."""
    events, out = write_history(tmp_path, HISTORY), tmp_path / "out"
    ran = backtest(events, mine, "--consent", "allow", "--out", str(out))
    last = written(out, "actions.csv")[-1]
    assert (last["customer_id"], last["purchase_7d"], last["net_7d"]) == ("E", "", "")
    thanks = written(out, "summary.csv")[1]
    assert (thanks["sent"], thanks["sent_followed"], thanks["sent_bought"]) == ("3", "2", "1")
    assert "the history ends at 2026-02-26T10:00:00.000Z" in ran.err


def test_an_action_called_off_is_marked(events: Path, tmp_path: Path) -> None:
    """Given a run that an order ends while its action is still open, then the action says so."""
    mine = write_rules(tmp_path / "mine", THANKS.replace("exits: {events: []}\n", ""))
    out = tmp_path / "out"
    backtest(events, mine, "--out", str(out))
    called_off = {row["customer_id"]: row["called_off"] for row in written(out, "actions.csv")}
    assert called_off == {"A": "order_placed", "B": "order_placed", "E": ""}
    # With a second step it is the same.
    second = "  - {name: second, after: 20d, template: more, valid_for: 3d}\n"
    longer = write_rules(tmp_path / "longer", THANKS.replace("exits: {events: []}\n", "") + second)
    backtest(events, longer, "--out", str(out))
    called_off = {row["customer_id"]: row["called_off"] for row in written(out, "actions.csv")}
    assert called_off == {"A": "order_placed", "B": "order_placed", "E": ""}
    assert written(out, "summary.csv")[0]["called_off"] == "2"


def test_two_sets_of_rules_side_by_side(events: Path, mine: Path, tmp_path: Path) -> None:
    """Given a second set without carts that thanks later and half of all, then both are told."""
    theirs = write_rules(
        tmp_path / "theirs", THANKS.replace("after: 1d", "after: 2d").replace("0%", "50%")
    )
    out = tmp_path / "out"
    ran = backtest(events, mine, "--against", str(theirs), "--consent", "allow", "--out", str(out))
    assert ran.code == 0, ran.err
    actions = [row for row in written(out, "actions.csv") if row["rule_set"] == "against"]
    # E's would be decided on the 22nd, behind the period.
    assert [(row["customer_id"], row["decided_at"], row["control_group"]) for row in actions] == [
        ("A", "2026-02-04T10:00:00.000Z", "true"),
        ("B", "2026-02-12T10:00:00.000Z", "false"),
    ]
    summary = {(row["rule_set"], row["campaign"]): row for row in written(out, "summary.csv")}
    assert list(summary) == [
        ("campaigns", "cart"),
        ("campaigns", "thanks"),
        ("against", "thanks"),
    ]
    second = summary["against", "thanks"]
    assert (second["sent"], second["controls"], second["controls_bought"]) == ("1", "1", "1")
    # Orders are the same under both, and counted once.
    assert [row["net_7d"] for row in actions] == ["20.00", "0.00"]
    only = [(row["rule_set"], row["customer_id"]) for row in written(out, "only_one.csv")]
    assert only == [("campaigns", "A"), ("campaigns", "C"), ("campaigns", "E"), ("campaigns", "H")]
    assert "thanks\t3\t1\t3\t1\t0\t1\t0\t0\t3\t3" in ran.out.splitlines()
    assert "addressed by both: 1, 4 by campaigns only, 0 by against only" in ran.err


def test_a_folder_of_campaign_files_alone_takes_the_other_rules_of_the_settings(
    events: Path, mine: Path, tmp_path: Path
) -> None:
    alone = write_campaigns(tmp_path / "alone", CART)
    ran = run_command(
        {**ENVIRONMENT, "RFM_RULES_DIR": str(mine)},
        *("backtest", str(events), *PERIOD, "--campaigns", str(alone), "--against", str(mine)),
    )
    assert ran.code == 0, ran.err
    assert "cart\t0\t0\t0\t0\t0\t0\t0\t0\t2\t2" in ran.out.splitlines()
    assert "thanks\t0\t3\t0\t3\t0\t0\t0\t0\t0\t3" in ran.out.splitlines()


def test_a_campaign_that_its_guard_paused_is_told(events: Path, tmp_path: Path) -> None:
    """Given a guard of one action a month, then the second pauses the campaign for good."""
    guard = "guard: {actions: 1, per: 30d}\n"
    mine, out = write_rules(tmp_path / "mine", THANKS + guard), tmp_path / "out"
    ran = backtest(events, mine, "--consent", "allow", "--out", str(out))
    assert ran.code == 0, ran.err
    assert [row["customer_id"] for row in written(out, "actions.csv")] == ["A"]
    assert ("B", "paused", "2026-02-14T10:00:00.000Z") in [
        (row["customer_id"], row["reason"], row["decided_at"])
        for row in written(out, "suppressed.csv")
    ]
    assert "the guard of thanks paused it at 2026-02-11T10:00:00.000Z" in ran.err


def test_campaigns_that_wait_for_a_person_act_in_a_backtest(events: Path, tmp_path: Path) -> None:
    mine = write_rules(tmp_path / "mine", THANKS + "armed: false\ndry_run: true\n")
    ran = backtest(events, mine)
    assert "thanks\t3\t3\t0\t0\t3" in ran.out.splitlines()


def test_a_campaign_that_nothing_can_start_is_named(events: Path, tmp_path: Path) -> None:
    """Given a campaign by a scheme that does not run, then it is left out with its reason."""
    vip = THANKS.replace("thanks", "vip").replace(
        "{event: order.placed}", "{enters: {scheme: loyalty, segment: VIP}, causes: [event]}"
    )
    ran = backtest(events, write_rules(tmp_path / "mine", THANKS, vip))
    assert "vip is left out: it needs scheme loyalty, which does not run" in ran.err


def test_the_same_input_gives_the_same_bytes(events: Path, mine: Path, tmp_path: Path) -> None:
    """Given two processes with other hashes of texts, then every file is the same."""
    theirs = write_rules(tmp_path / "theirs", THANKS.replace("0%", "50%"))
    arguments = [
        *("backtest", str(events), *PERIOD, "--campaigns", str(mine), "--against", str(theirs)),
        *("--consent", "allow", "--out"),
    ]
    run_command(ENVIRONMENT, *arguments, str(tmp_path / "1"))
    subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *arguments, str(tmp_path / "2")],
        env={**os.environ, **ENVIRONMENT, "PYTHONHASHSEED": "0"},
        check=True,
        capture_output=True,
    )
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / number).iterdir()}
        for number in ("1", "2")
    )
    assert first == second
    assert sorted(first) == [
        "actions.csv",
        "backtest.png",
        "backtest.svg",
        "only_one.csv",
        "summary.csv",
        "summary.json",
        "suppressed.csv",
    ]


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (("--from", TO, "--to", FROM), "--from must lie before --to"),
        (("--from", "yesterday", "--to", TO), "--from: 'yesterday' is not RFC 3339"),
        (
            ("--from", "2027-01-01T00:00:00Z", "--to", "2027-02-01T00:00:00Z"),
            "the history ends at 2026-03-10T10:00:00.000Z, before --from",
        ),
    ],
)
def test_a_period_that_cannot_be_played(
    period: tuple[str, ...], said: str, events: Path, mine: Path
) -> None:
    ran = backtest(events, mine, period=period)
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_a_folder_without_rules_is_named(events: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = backtest(events, tmp_path / "empty")
    assert ran.code == 2
    assert "neither campaign files (NAME.yaml) nor any of campaigns, maps" in ran.err
    ran = backtest(events, tmp_path / "nowhere")
    assert (ran.code, "no such folder" in ran.err) == (2, True)
