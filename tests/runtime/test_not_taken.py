"""What decide has no place for becomes a dead letter that names reason and field; the rest goes on."""

import json

from prometheus_client import CollectorRegistry

from streams.adapters.memory import MemoryLog, MemoryStateLog
from streams.codec.journal import decode_input
from streams.codec.state import decode_state
from streams.core.inputs import CustomerUpdated
from streams.core.profile import MAX_ATTRIBUTES
from streams.metrics.decide import DecideMetrics
from streams.runtime.cycle import Cycle
from streams.runtime.steps import CycleSettings
from tests.core.story import T0
from tests.runtime.journals import first_rules, order
from tests.runtime.world import World


def test_attributes_beyond_the_bound_become_a_dead_letter() -> None:
    world, registry = World(), CollectorRegistry()
    attributes = {f"a{number:03}": float(number) for number in range(MAX_ATTRIBUTES + 3)}
    update = CustomerUpdated(
        event_id="u", customer_id="C-1", occurred_at_ms=T0, received_at_ms=T0, identity=7,
        source="shop.customers", attributes=dict(attributes),
    )  # fmt: skip
    world.journal([first_rules(), update, order(1, "C-1", T0)])
    metrics = DecideMetrics(registry, world.clock, wall_clock=True)
    log, state_log = MemoryLog(world.broker), MemoryStateLog(world.broker)
    cycle = Cycle(log, state_log, world.store, world.clock, metrics, CycleSettings(ticks=False))
    for _ in range(10):
        cycle.run_once()

    [letter] = world.broker.outputs["dead-letters"]
    headers = {name: text.decode() for name, text in letter.headers}
    assert headers["dlq.reason"] == "too_many_attributes"
    assert headers["dlq.field"] == f"attributes.a{MAX_ATTRIBUTES}"
    assert headers["dlq.offset"] == "1"
    left_out = decode_input(letter.value)
    assert isinstance(left_out, CustomerUpdated)
    assert sorted(left_out.attributes) == sorted(attributes)[MAX_ATTRIBUTES:]

    [(_, value)] = world.store.scan(0)
    state = decode_state("C-1", value)
    assert list(state.attributes) == sorted(attributes)[:MAX_ATTRIBUTES]
    assert set(state.orders) == {"o1"}
    [change] = world.broker.outputs["segment-changes"]
    assert json.loads(change.value)["scheme"] == "rfm"
    counted = registry.get_sample_value("rfm_dead_letters_total", {"reason": "too_many_attributes"})
    assert counted == 1
