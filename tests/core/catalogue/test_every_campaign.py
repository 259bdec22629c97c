"""What holds for each shipped campaign: when it speaks, and everything that keeps it silent."""

import json

import pytest

from streams.rules import arming
from tests.core.catalogue.life import (
    ANNA,
    BERTA,
    DAY,
    HOUR,
    MINUTE,
    HeldBack,
    Life,
    armed,
    at,
    campaign,
    document,
    in_control_group_of,
    shop,
    told,
)
from tests.core.catalogue.scenes import BY_EVENT, SCENES

NAMES = sorted(SCENES)
SECOND = 1_000
HALF_HOUR = HOUR // 2
each_campaign = pytest.mark.parametrize("name", NAMES)


def live(name: str, life: Life | None = None, clock: str = "10:00") -> Life:
    """The life in which that campaign is on its way, up to the event that starts it."""
    life = life or Life()
    SCENES[name].live(life, clock)
    return life.forget()


def changed(text: str, name: str, **fields: object) -> str:
    """Rules in which a campaign has other entries."""
    rules = json.loads(text)
    rules["campaigns"] = [
        {**one, **fields} if one["name"] == name else one for one in rules["campaigns"]
    ]
    return json.dumps(rules)


@each_campaign
def test_it_speaks_at_its_instant_and_not_a_moment_sooner(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.pass_time(scene.due_ms - 1)
    assert life.actions(name) == []
    life.pass_time(scene.due_ms)
    assert life.mail(name) == [scene.first]
    [action] = life.actions(name)
    assert (action.step, action.channels, action.customer_id) == (scene.step, ("email",), ANNA)
    assert action.due_at_ms == scene.due_ms < action.valid_until_ms


@each_campaign
def test_nobody_is_disturbed_by_night(name: str) -> None:
    scene, life = SCENES[name], live(name, clock="23:30")
    life.pass_time(scene.due_ms + 2 * DAY)
    if scene.by_night is None:
        assert [one.reason for one in life.held_back(name)] == ["quiet_hours"]
    else:
        assert life.mail(name)[0] == scene.first._replace(when=scene.by_night)


@each_campaign
def test_night_is_what_the_customers_own_clock_says(name: str) -> None:
    scene, life = SCENES[name], Life()
    life.lives_in(at(0, "00:00"), "America/New_York")
    live(name, life).pass_time(scene.due_ms + DAY)
    if scene.abroad is None:
        assert [one.reason for one in life.held_back(name)] == ["capped"]
    else:
        assert life.mail(name)[0] == scene.first._replace(when=scene.abroad)


@each_campaign
def test_a_voucher_is_made_once_under_the_name_of_its_action(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.pass_time(scene.due_ms)
    [action] = life.actions(name)
    if scene.offer is None:
        assert action.voucher is None
    else:
        assert action.voucher is not None
        assert (action.voucher.name, action.voucher.key) == (scene.offer, action.action_id)
        expires_ms = life.rules.policy.offers.vouchers[scene.offer].expires_ms
        assert action.voucher.expires_at_ms == scene.due_ms + expires_ms


@each_campaign
def test_consent_withdrawn_a_second_before_keeps_it_silent(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.consent(scene.due_ms - SECOND, granted=False)
    life.pass_time(scene.due_ms)
    assert life.mail(name) == []
    assert life.held_back(name) == [HeldBack(told(scene.due_ms), scene.step, "no_consent")]


@each_campaign
def test_who_never_allowed_mail_gets_none(name: str) -> None:
    scene, life = SCENES[name], live(name, Life(consents=False))
    life.pass_time(scene.due_ms)
    assert life.mail() == []
    assert life.held_back(name) == [HeldBack(told(scene.due_ms), scene.step, "no_consent")]


@each_campaign
def test_who_had_enough_of_an_earlier_mail_gets_no_more(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.reports(scene.due_ms - HOUR, "unsubscribed")
    life.pass_time(scene.due_ms)
    assert life.mail(name) == []
    assert life.held_back(name)[0].reason == "no_consent"


@each_campaign
def test_the_control_group_is_decided_on_and_not_sent_to(name: str) -> None:
    scene, life = SCENES[name], live(name, Life(customer_id=in_control_group_of(name)))
    life.pass_time(scene.due_ms)
    assert life.mail(name) == []
    [action] = life.actions(name)
    assert (action.is_control, action.template) == (True, scene.template)
    assert life.state.sent[-1].at_ms == scene.due_ms, "it uses up the caps like any other"


@each_campaign
def test_who_is_held_out_of_everything_gets_nothing(name: str) -> None:
    scene = SCENES[name]
    life = live(name, Life(shop(armed(policy={"holdout_percent": 100}))))
    life.pass_time(scene.due_ms)
    assert life.mail() == []
    assert [one.is_control for one in life.actions(name)] == [True]


@each_campaign
def test_another_mail_an_hour_before_defers_it_or_leaves_it_out(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.pass_time(scene.due_ms - HOUR)
    life.was_sent_something()
    life.pass_time(scene.due_ms + 2 * DAY)
    if scene.deferred is None:
        assert life.held_back(name)[0] == HeldBack(told(scene.due_ms), scene.step, "capped")
        assert scene.template not in [one.template for one in life.mail(name)]
    else:
        assert life.mail(name)[0] == scene.first._replace(when=scene.deferred)


@each_campaign
def test_three_mails_in_a_week_are_enough(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.pass_time(scene.due_ms - 20 * HOUR)
    for _ in range(3):
        life.was_sent_something()
    life.pass_time(scene.due_ms)
    assert life.mail(name) == []
    life.pass_time(scene.due_ms + 8 * DAY)
    first = [one for one in life.mail(name) if one.template == scene.template][:1]
    assert all(one.when > told(at(scene.day + 6, "10:00")) for one in first)


@each_campaign
def test_a_dry_run_decides_and_sends_nothing(name: str) -> None:
    scene = SCENES[name]
    rules = json.loads(armed())
    rules["arming"][name] = {"armed": True, "dry_run": True}
    life = live(name, Life(shop(json.dumps(rules))))
    life.pass_time(scene.due_ms)
    assert life.actions(name) == []
    assert life.held_back(name) == [HeldBack(told(scene.due_ms), scene.step, "dry_run")]
    assert not [one for one in life.state.sent if one.at_ms == scene.due_ms]


@each_campaign
def test_disarmed_it_starts_nothing_and_says_nothing(name: str) -> None:
    scene = SCENES[name]
    life = live(name, Life(shop(arming.disarm(armed(), name))))
    life.pass_time(scene.due_ms + 30 * DAY)
    assert (life.actions(name), life.held_back(name)) == ([], [])


@each_campaign
def test_paused_by_a_person_it_waits_and_goes_on_when_resumed(name: str) -> None:
    scene = SCENES[name]
    paused = arming.pause(armed(), name)
    life = live(name, Life(shop(paused)))
    life.pass_time(scene.due_ms + HALF_HOUR)
    assert (life.actions(name), life.held_back(name)) == ([], [])
    life.rules_change(arming.resume(paused, name))
    assert life.mail(name) == [scene.first._replace(when=told(scene.due_ms + HALF_HOUR))]


@each_campaign
def test_paused_for_longer_than_it_is_valid_it_is_not_sent_any_more(name: str) -> None:
    scene = SCENES[name]
    valid_ms = campaign(name)["steps"][0]["valid_for_ms"]
    life = live(name, Life(shop(arming.pause(armed(), name))))
    life.pass_time(scene.due_ms + valid_ms - 1)
    assert life.held_back(name) == []
    life.pass_time(scene.due_ms + valid_ms)
    assert life.held_back(name) == [HeldBack(told(scene.due_ms + valid_ms), scene.step, "paused")]
    assert life.actions(name) == []


@each_campaign
def test_resumed_it_tests_everything_again(name: str) -> None:
    scene = SCENES[name]
    paused = arming.pause(armed(), name)
    life = live(name, Life(shop(paused)))
    life.pass_time(scene.due_ms + HALF_HOUR)
    life.consent(scene.due_ms + HALF_HOUR, granted=False)
    life.rules_change(arming.resume(paused, name))
    assert life.actions(name) == []
    assert [one.reason for one in life.held_back(name)] == ["no_consent"]


@each_campaign
def test_when_everything_stood_still_for_too_long_it_is_too_late(name: str) -> None:
    scene, life = SCENES[name], live(name)
    raw = campaign(name)
    life.pass_time(scene.due_ms - 1)
    lasting_ms = max(raw["steps"][0]["valid_for_ms"], raw["max_start_delay_ms"] + 1)
    life.pass_time(scene.due_ms + lasting_ms, jump=True)
    assert life.held_back(name)[0].step == scene.step
    assert life.held_back(name)[0].reason in {"expired", "late_start"}
    assert scene.template not in [one.template for one in life.mail(name)]


@each_campaign
def test_nothing_happens_twice_when_the_same_history_comes_again(name: str) -> None:
    scene = SCENES[name]
    life, again = live(name), live(name)
    for one in (life, again):
        one.pass_time(scene.due_ms + 30 * DAY)
    assert again.outputs == life.outputs
    ids = [one.action_id for one in life.actions()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BY_EVENT)
def test_back_filled_history_starts_nothing(name: str) -> None:
    scene, life = SCENES[name], Life()
    life.is_backfilled = True
    live(name, life)
    life.pass_time(scene.due_ms + DAY)
    assert (life.actions(name), life.held_back(name)) == ([], [])


@each_campaign
def test_the_erased_hear_nothing(name: str) -> None:
    scene, life = SCENES[name], live(name)
    life.erase(scene.due_ms - HOUR)
    life.pass_time(scene.due_ms + 30 * DAY)
    assert (life.actions(name), life.held_back(name)) == ([], [])
    assert life.state.runs == []


@each_campaign
def test_what_was_on_its_way_goes_on_where_two_accounts_become_one(name: str) -> None:
    scene, source, target = SCENES[name], live(name), Life(customer_id=BERTA)
    source.pass_time(scene.due_ms - 5 * MINUTE)
    source.merges_into(target, scene.due_ms - 5 * MINUTE)
    for one in (source, target):
        one.pass_time(scene.due_ms)
    assert source.actions(name) == []
    assert target.mail(name) == [scene.first]


@each_campaign
def test_a_run_keeps_the_text_with_which_it_began(name: str) -> None:
    scene = SCENES[name]
    raw = campaign(name)
    other = [
        {**raw["steps"][0], "variants": [{**raw["steps"][0]["variants"][-1], "template": "new"}]},
        *raw["steps"][1:],
    ]
    life = live(name)
    life.pass_time(scene.due_ms - 1)
    began = life.is_in(name)
    newer = arming.carry_over(changed(document(), name, version=2, steps=other), armed())
    life.rules_change(newer)
    life.pass_time(scene.due_ms)
    [action] = life.actions(name)
    assert (action.template, action.version) == ((scene.template, 1) if began else ("new", 2))
