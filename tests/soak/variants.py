"""The product's decider, watched by a test, and the same broken on purpose in one place.

The broken ones exist to show that the suite notices: a test that passes with a guard taken away
proves nothing about the guard. Each replaces one method of an object that the product built.
"""

from collections.abc import Callable, Mapping

from confluent_kafka import Consumer

from streams.adapters.kafka.config import reader_config
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import connect
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import Decider, build_decider, cycle_settings, names_of
from streams.ports import Outcome, StoreWrite
from streams.runtime.cycle import Cycle
from streams.runtime.steps import ORDER, Batch, Measures, Step
from streams.settings import Settings

__all__ = ["GUARD_OFF", "NO_METADATA", "STORE_FIRST", "VARIANTS", "build"]

GUARD_OFF = "guard-off"
NO_METADATA = "no-metadata"
STORE_FIRST = "store-first"
VARIANTS = frozenset({GUARD_OFF, NO_METADATA, STORE_FIRST})

_FLUSH_TIMEOUT_S = 15.0
STORE_BEFORE_COMMIT = (
    *ORDER[: ORDER.index(Step.COMMIT)],
    Step.STORE,
    Step.COMMIT,
    *ORDER[ORDER.index(Step.STORE) + 1 :],
)


def build(
    variant: str | None,
    settings: Settings,
    instance: str,
    measures: Measures,
    observe: Callable[[Step], None],
    recovering: Callable[[], None],
) -> Decider:
    """The decider called `instance`; `recovering` is called before a recovery writes to Redis."""
    latest: list[Step] = [Step.POLL]

    def watch(step: Step) -> None:
        latest[0] = step
        observe(step)

    decider = build_decider(settings, instance, measures, watch)
    if variant == GUARD_OFF:
        _take_guard_off(decider, settings)
    elif variant == NO_METADATA:
        _drop_metadata(decider, settings)
    elif variant == STORE_FIRST:
        decider.cycle = _StoreFirstCycle(
            decider.log,
            decider.state_log,
            decider.store,
            SystemClock(),
            measures,
            cycle_settings(settings),
            watch,
            STORE_BEFORE_COMMIT,
        )
    _tell_recoveries(decider, lambda: latest[0] is Step.STORE, recovering)
    return decider


def _tell_recoveries(
    decider: Decider, storing: Callable[[], bool], recovering: Callable[[], None]
) -> None:
    """Call `recovering` before each write that is not the cycle's own step."""
    apply = decider.store.apply

    def told(write: StoreWrite) -> Outcome:
        if not storing():
            recovering()
        return apply(write)

    decider.store.apply = told  # type: ignore[method-assign]


def _take_guard_off(decider: Decider, settings: Settings) -> None:
    """Write whatever comes, wherever the store stands."""
    client = connect(settings.redis_url.get_secret_value())
    keys, apply = Keys(settings.namespace), decider.store.apply

    def unguarded(write: StoreWrite) -> Outcome:
        # With the position at the write's own base the guard lets everything through.
        client.hset(keys.partition(write.partition).position, "offset", write.base)
        return apply(write)

    decider.store.apply = unguarded  # type: ignore[method-assign]


def _drop_metadata(decider: Decider, settings: Settings) -> None:
    """Send positions under the metadata of a consumer that never joined."""
    group = names_of(settings).group("decide")
    stranger = Consumer({**reader_config(settings.kafka_config()), "group.id": group})
    send_positions = decider.log.send_positions

    def unproven(positions: Mapping[int, int], membership: object) -> None:
        send_positions(positions, stranger.consumer_group_metadata())

    decider.log.send_positions = unproven  # type: ignore[method-assign]


class _StoreFirstCycle(Cycle):
    """Writes Redis with offsets from delivery reports, and only then commits."""

    def _store_states(self, batch: Batch) -> bool:
        transactions = self._log._producer  # type: ignore[attr-defined]
        transactions._producer.flush(_FLUSH_TIMEOUT_S)
        batch.receipts = dict(transactions._receipts)
        return super()._store_states(batch)
