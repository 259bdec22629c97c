"""Counts of segments, their shares, and what is warned of."""

from streams.core.state import Membership
from streams.insights.segments import (
    Outline,
    SegmentCount,
    SegmentTally,
    outlines_of,
    share,
    warnings_of,
)
from tests.insights.customers import rules

RFM = Outline("rfm", ("Champions", "At Risk", "Lost Customers"), is_flags=False)
FLAGS = Outline("behaviour", ("Bulk Buyer", "Spending Limiter"), is_flags=True)


def member(segment: str | None) -> Membership:
    return Membership(segment, None, 0, 1)


def test_a_ranked_scheme_shares_out_those_who_have_a_segment() -> None:
    tally = SegmentTally([RFM])
    for segment, net_minor in (
        ("Champions", 60_000),
        ("Champions", 20_000),
        ("At Risk", 10_000),
        (None, -500),
        ("Gone Segment", 10_000),
    ):
        tally.add({"rfm": member(segment)}, net_minor)
    tally.add({}, 0)
    (counts,) = tally.counts()
    assert counts.segments == [
        SegmentCount("Champions", 2, 5_000, 80_000, 8_000),
        SegmentCount("At Risk", 1, 2_500, 10_000, 1_000),
        SegmentCount("Lost Customers", 0, 0, 0, 0),
        # What the rules had before stands behind what they have.
        SegmentCount("Gone Segment", 1, 2_500, 10_000, 1_000),
        SegmentCount(None, 2, None, -500, None),
    ]
    assert tally.customers.members == 6


def test_a_customer_counts_once_for_each_flag_and_shares_are_of_all() -> None:
    tally = SegmentTally([FLAGS])
    tally.add({"behaviour": member("Bulk Buyer|Spending Limiter")}, 300)
    tally.add({"behaviour": member("Bulk Buyer")}, 100)
    tally.add({"behaviour": member(None)}, 0)
    tally.add({}, 0)
    (counts,) = tally.counts()
    assert counts.segments == [
        SegmentCount("Bulk Buyer", 2, 5_000, 400, 10_000),
        SegmentCount("Spending Limiter", 1, 2_500, 300, 7_500),
        SegmentCount(None, 2, 5_000, 0, 0),
    ]


def test_shares_are_unknown_where_there_is_no_revenue_to_share() -> None:
    tally = SegmentTally([RFM])
    tally.add({"rfm": member("Champions")}, -100)
    (counts,) = tally.counts()
    assert counts.segments[0] == SegmentCount("Champions", 1, 10_000, -100, None)
    assert share(1, 3) == 3_333
    assert share(2, 3) == 6_667
    assert share(1, 0) is None


def warned(outline: Outline, *segments: str | None) -> list[str]:
    tally = SegmentTally([outline])
    for segment in segments:
        tally.add({outline.name: member(segment)}, 1)
    return warnings_of(tally.counts())


def test_a_segment_warns_above_70_percent_and_not_at_it() -> None:
    rest = ["At Risk"] * 2 + ["Lost Customers"]
    assert warned(RFM, *["Champions"] * 7, *rest) == []
    assert warned(RFM, *["Champions"] * 8, *rest) == [
        "scheme rfm: Champions has 72.7 % of the customers"
    ]
    # Those without a segment are not among the customers of the scheme.
    assert warned(RFM, *["Champions"] * 8, *rest, *[None] * 90) != []
    # A scheme of flags shares out everybody.
    assert warned(FLAGS, *["Bulk Buyer"] * 8, "Spending Limiter", *[None] * 3) == []
    assert len(warned(FLAGS, *["Bulk Buyer"] * 8, "Spending Limiter", None)) == 1


def test_empty_segments_are_named_in_one_line() -> None:
    both = warned(RFM, "Champions")
    assert both[0] == "scheme rfm: nobody has the segment At Risk, Lost Customers"
    assert warned(FLAGS, None) == ["scheme behaviour: no customer has a flag"]
    assert warned(RFM) == ["scheme rfm: no customer has a segment"]


def test_outlines_follow_the_rules() -> None:
    outlines = outlines_of(rules("rfm,value,behaviour"))
    assert [(one.name, one.is_flags) for one in outlines] == [
        ("rfm", False),
        ("value", False),
        ("behaviour", True),
    ]
    assert outlines[1].segments == ("A", "B", "C")
