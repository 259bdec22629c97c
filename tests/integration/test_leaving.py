"""Whoever stops for good gives its share away at once; who comes back soon keeps it."""

import pytest

from streams.adapters.kafka.members import GroupMembers
from streams.bootstrap import build_decider, ensure_rules, ensure_topics, names_of
from streams.intake.build import build_intake
from streams.settings import Settings, load_settings
from tests.command_line import Unmeasured
from tests.integration.intake_rig import Recorder
from tests.waiting import wait_until


def members_after_a_stop(settings: Settings) -> dict[str, int]:
    """Let one decider and one intake join and stop in good order; who is still counted then."""
    decider = build_decider(settings, "x", Unmeasured())
    intake = build_intake(settings, "x", Recorder())

    def have_joined() -> bool:
        decider.cycle.run_once()
        intake.cycle.run_once()
        return decider.log.has_joined and intake.log.has_joined

    wait_until(have_joined, 60, "both joined")
    decider.close()
    intake.close()
    names = names_of(settings)
    groups = {role: names.group(role) for role in ("intake", "decide")}
    return GroupMembers(settings.kafka_config(), groups).count()


@pytest.mark.parametrize(("leaves", "left"), [(True, 0), (False, 1)])
def test_a_worker_that_stops_leaves_only_where_it_is_told_to(
    kafka: str, redis_url: str, namespace: str, leaves: bool, left: int
) -> None:
    settings = load_settings(
        None,
        namespace=namespace,
        kafka_bootstrap_servers=kafka,
        redis_url=redis_url,
        partitions=2,
        leave_on_stop=leaves,
    )
    ensure_topics(settings)
    ensure_rules(settings)
    assert members_after_a_stop(settings) == {"intake": left, "decide": left}
