"""Published outcomes counted: one row per run, by campaign, segment and arm."""

import json
from collections.abc import Iterable

import pytest

from schemas.fields import parse_instant_ms
from streams.codec.outputs import OutputEncoder
from streams.core.outputs import CampaignOutcome
from streams.errors import BrokenInvariant
from streams.insights.outcome_table import Figures, OutcomeTable
from streams.insights.outcomes import decode_outcome
from streams.insights.uplift import Arm
from tests.insights.outcomes import CONTROL, FINAL, bought, told


def count(
    messages: Iterable[bytes],
    campaign: str | None = None,
    since: str | None = None,
    stage: str = "any",
) -> dict[tuple[str, str | None], Figures]:
    """Figures by campaign and segment; "all" is the campaign as a whole."""
    since_ms = parse_instant_ms(since) if since is not None else None
    with OutcomeTable(campaign=campaign, since_ms=since_ms, stage=stage) as table:
        for message in messages:
            table.take(decode_outcome(message))
        return {
            (one.campaign, "all" if one.is_all else one.segment): one for one in table.figures()
        }


def sent(*messages: bytes, stage: str = "any") -> Arm:
    """The sent arm of the only campaign."""
    return count(messages, stage=stage)["win_back", "all"].sent


def test_runs_are_counted_by_campaign_segment_and_arm() -> None:
    found = count(
        [
            told(1, **bought("10.00"), opened=True, clicked=True),
            told(2, opened=True, unsubscribed=True),
            told(3, **CONTROL, **bought("5.00")),
            told(4, segment=None),
            told(5, segment='Lost, or "gone"', net="-3.50"),
            told(6, campaign="nurture", **CONTROL),
        ]
    )
    # All of a campaign, its segments by name, and last those outside of all.
    assert list(found) == [
        ("nurture", "all"),
        ("nurture", "At Risk"),
        ("win_back", "all"),
        ("win_back", "At Risk"),
        ("win_back", 'Lost, or "gone"'),
        ("win_back", None),
    ]
    assert found["win_back", "At Risk"].sent == Arm(
        customers=2, buyers=1, runs=2, conversions=1, opened=2, clicked=1, unsubscribed=1,
        net_minor=1_000, rr=2, rc=1, cc=1, yy=1_000_000,
    )  # fmt: skip
    assert found["win_back", "At Risk"].controls == Arm(
        customers=1, buyers=1, runs=1, conversions=1, net_minor=500, rr=1, rc=1, cc=1, yy=250_000
    )
    assert found["win_back", None].sent == Arm(customers=1, runs=1, rr=1)
    whole = found["win_back", "all"].sent
    assert (whole.runs, whole.net_minor, whole.yy) == (4, 1_000 - 350, 1_000**2 + 350**2)
    assert found["nurture", "all"].sent == Arm()


def test_what_the_engine_tells_is_what_is_read() -> None:
    output = CampaignOutcome(
        event_id="e1",
        customer_id="anna",
        campaign="win_back",
        version=3,
        segment="At Risk",
        is_control=True,
        stage="final",
        actions=2,
        from_ms=1_772_359_200_000,
        until_ms=1_772_964_000_000,
        orders=1,
        net_minor=-250,
        opened=True,
        clicked=False,
        unsubscribed=True,
        decided_at_ms=1_775_556_000_000,
    )
    found = decode_outcome(OutputEncoder("EUR").encode(output).value)
    assert (found.first_action_at_ms, found.counted_until_ms) == (output.from_ms, output.until_ms)
    assert (found.net_minor, found.currency, found.orders) == (-250, "EUR", 1)
    assert (found.control_group, found.stage, found.segment) == (True, "final", "At Risk")
    assert (found.opened, found.clicked, found.unsubscribed) == (True, False, True)


def test_the_final_message_takes_the_place_of_the_preliminary() -> None:
    first = told(1, **bought("10.00"))
    last = told(1, **FINAL, orders=1, net="2.50", opened=True)
    for messages in ([first, last], [last, first]):
        found = sent(*messages)
        assert (found.runs, found.final, found.net_minor, found.opened) == (1, 1, 250, 1)


def test_a_run_that_is_told_again_counts_once_as_it_was_told_last() -> None:
    first, again = told(1, **bought("10.00")), told(1, **bought("4.00"))
    final = told(1, **FINAL, **bought("3.00"))
    assert (sent(first, first).runs, sent(first, first).net_minor) == (1, 1_000)
    assert sent(first, again).net_minor == 400
    assert sent(first, final, again, final).net_minor == 300
    assert sent(first, final, again, final).runs == 1


def test_runs_of_one_customer_at_the_same_instants_are_two() -> None:
    """Given two carts whose reminders were held until one morning, and one of them told finally."""
    messages = [
        told(1, "anna", **bought("10.00")),
        told(2, "anna", **bought("20.00")),
        told(1, "anna", **FINAL, **bought("9.00")),
    ]
    found = sent(*messages)
    assert (found.customers, found.runs, found.final, found.conversions) == (1, 2, 1, 2)
    found = sent(*messages, told(2, "anna", **FINAL, **bought("19.00")))
    assert (found.runs, found.final, found.net_minor) == (2, 2, 2_800)


def test_customers_are_counted_once_and_with_all_of_their_runs() -> None:
    days = [f"2026-03-0{day}T10:00:00.000Z" for day in (1, 2, 3)]
    found = sent(
        told(1, "anna", first_action_at=days[0], **bought("10.00")),
        told(2, "anna", first_action_at=days[1], **bought("1.00")),
        told(3, "anna", first_action_at=days[2]),
        told(4, "bert"),
    )
    assert found == Arm(
        customers=2, buyers=1, runs=4, conversions=2, net_minor=1_100, rr=10, rc=6, cc=4,
        yy=1_100**2,
    )  # fmt: skip


def test_only_final_figures_where_they_are_asked_for() -> None:
    found = sent(told(1, **bought()), told(2, **bought()), told(2, **FINAL), stage="final")
    assert (found.runs, found.final, found.conversions) == (1, 1, 0)


def test_runs_since_an_instant_are_those_whose_first_action_was_not_before_it() -> None:
    messages = [
        told(1, first_action_at="2026-02-28T23:59:59.999Z", decided_at="2026-05-01T00:00:00.000Z"),
        told(2, first_action_at="2026-03-01T00:00:00.000Z"),
        # The same instant, told in another offset.
        told(3, first_action_at="2026-03-01T01:00:00.000+01:00"),
    ]
    assert count(messages, since="2026-03-01T00:00:00Z")["win_back", "all"].sent.runs == 2
    assert count(messages, since="2026-03-01T00:00:00.001Z") == {}


def test_one_campaign_alone_and_what_else_there_is() -> None:
    with OutcomeTable(campaign="nurture", since_ms=None, stage="any") as table:
        for message in (told(1), told(2, campaign="nurture")):
            table.take(decode_outcome(message))
        assert [one.campaign for one in table.figures()] == ["nurture", "nurture"]
        assert table.campaigns == {"nurture", "win_back"}


def test_amounts_have_the_digits_of_their_currency() -> None:
    with OutcomeTable(campaign=None, since_ms=None, stage="any") as table:
        table.take(decode_outcome(told(1, currency="JPY", net="1500")))
        table.take(decode_outcome(told(2, currency="KWD", net="1.500")))
        assert table.currencies == {"JPY", "KWD"}
        assert next(table.figures()).sent.net_minor == 3_000


def test_great_amounts_are_added_exactly() -> None:
    most = "999999999999.99"
    found = sent(
        *(
            told(
                number,
                "anna" if number % 2 else "bert",
                **bought(most),
                counted_until=f"2026-04-{number:02}T00:00:00Z",
            )
            for number in range(1, 21)
        )
    )
    each = 10 * 99_999_999_999_999
    assert (found.net_minor, found.yy) == (2 * each, 2 * each**2)


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "half-way"},
        {"net": "much"},
        {"net": "1.234"},
        {"currency": "XXX"},
        {"first_action_at": "yesterday"},
        {"orders": "one"},
        {"customer_id": None},
    ],
)
def test_what_does_not_keep_the_contract_is_not_counted_silently(
    changes: dict[str, object],
) -> None:
    value = json.dumps({**json.loads(told(1)), **changes}).encode()
    with pytest.raises(BrokenInvariant, match="something else writes there"):
        count([value])
    with pytest.raises(BrokenInvariant, match="something else writes there"):
        count([b""])
