"""What a campaign brought: orders up to a week after its last action, less what came back by then."""

from typing import Any

from streams.core.campaigns.control import is_control
from streams.core.inputs import DeliveryReported
from streams.core.outputs import ActionRequested, CampaignOutcome
from tests.core.campaign_docs import campaign, enters, step
from tests.core.story import DAY, HOUR, T0, Story, rules

WIN_BACK = T0 + 90 * DAY


def story_of(steps: list[dict[str, Any]], customer_id: str = "C-1", **fields: Any) -> Story:
    back = campaign("back", [enters("At Risk", "clock")], steps, **fields)
    story = Story(rules(campaigns=[back]), customer_id)
    story.order(T0, order_id="first")
    story.pass_time(WIN_BACK)
    return story


def outcomes(story: Story) -> list[CampaignOutcome]:
    return story.said(CampaignOutcome)


def test_orders_of_a_week_count_and_later_ones_do_not() -> None:
    story = story_of([step()])
    story.order(WIN_BACK + DAY, 5_000)
    story.order(WIN_BACK + 7 * DAY - 1, 3_000)
    story.order(WIN_BACK + 7 * DAY, 9_000)
    story.pass_time(WIN_BACK + 8 * DAY)
    [told] = outcomes(story)
    assert (told.stage, told.orders, told.net_minor) == ("preliminary", 2, 8_000)
    assert (told.from_ms, told.until_ms) == (WIN_BACK, WIN_BACK + 7 * DAY)
    assert (told.segment, told.is_control, told.actions) == ("At Risk", False, 1)
    assert told.decided_at_ms == WIN_BACK + 7 * DAY


def test_returns_have_thirty_more_days() -> None:
    story = story_of([step()])
    story.order(WIN_BACK + DAY, 5_000, order_id="o")
    story.give_back(WIN_BACK + 20 * DAY, 2_000, "o")
    story.give_back(WIN_BACK + 36 * DAY, 500)
    story.pass_time(WIN_BACK + 37 * DAY)
    first, final = outcomes(story)
    assert (first.net_minor, final.net_minor) == (5_000, 2_500)
    assert (final.stage, final.decided_at_ms) == ("final", WIN_BACK + 37 * DAY)
    assert first.event_id != final.event_id
    assert not story.state.attributions


def test_an_order_that_is_cancelled_or_comes_back_whole_is_no_conversion() -> None:
    story = story_of([step()])
    story.order(WIN_BACK + DAY, 5_000, order_id="o")
    story.order(WIN_BACK + DAY, 4_000, order_id="p")
    story.cancel(WIN_BACK + 2 * DAY, "o")
    story.give_back(WIN_BACK + 20 * DAY, 4_000, "p")
    story.pass_time(WIN_BACK + 40 * DAY)
    assert [(one.orders, one.net_minor) for one in outcomes(story)] == [(1, 4_000), (0, 0)]


def test_controls_are_told_like_everybody_else() -> None:
    control = next(f"C-{n}" for n in range(1_000) if is_control("back", f"C-{n}", 10))
    story = story_of([step()], control, control_percent=10)
    story.order(WIN_BACK + DAY, 5_000)
    story.pass_time(WIN_BACK + 8 * DAY)
    [told] = outcomes(story)
    assert (told.is_control, told.orders, told.net_minor) == (True, 1, 5_000)


def test_the_week_counts_from_the_last_action_of_a_run() -> None:
    story = story_of([step(), step("again", 20 * DAY)])
    story.pass_time(WIN_BACK + 26 * DAY)
    assert outcomes(story) == [], "the run went on"
    story.order(WIN_BACK + 26 * DAY, 2_000)
    story.pass_time(WIN_BACK + 30 * DAY)
    [told] = outcomes(story)
    assert (told.actions, told.until_ms, told.net_minor) == (2, WIN_BACK + 27 * DAY, 2_000)


def test_what_a_provider_reports_is_told() -> None:
    story = story_of([step()])
    action_id = story.said(ActionRequested)[0].action_id
    for outcome in ("sent", "clicked", "unsubscribed"):
        story.take(
            DeliveryReported,
            WIN_BACK + HOUR,
            action_id=action_id,
            channel="email",
            outcome=outcome,
        )
    story.take(
        DeliveryReported, WIN_BACK + HOUR, action_id="other", channel="email", outcome="opened"
    )
    story.pass_time(WIN_BACK + 8 * DAY)
    [told] = outcomes(story)
    assert (told.opened, told.clicked, told.unsubscribed) == (True, True, True)


def test_without_an_action_there_is_nothing_to_tell() -> None:
    story = story_of([step()], when={"field": "order_count", "ge": 2})
    story.pass_time(WIN_BACK + 60 * DAY)
    assert outcomes(story) == []


def test_erasure_tells_nothing_of_whom_it_forgets() -> None:
    story = story_of([step()])
    story.erase(WIN_BACK + DAY)
    story.pass_time(WIN_BACK + 60 * DAY)
    assert outcomes(story) == []
    state = story.state
    assert not (state.runs or state.sent or state.pending or state.mutes or state.attributions)
