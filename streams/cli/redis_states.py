"""`redis rebuild`: Redis anew from `rfm.state`."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from streams.adapters.kafka.state_log import KafkaStateLog
from streams.adapters.redis.store import RedisStateStore
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, count_customers, open_store, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import confirm, note, progress_bar
from streams.errors import Transient, UsageError
from streams.runtime.recovery import Recovery, StoreMovedError
from streams.settings import Settings

_READ_TIMEOUT_S = 0.2
# A decider that rebuilds the same partition gets in the way of each write; one of the two ends up
# finding the work done.
_MAX_RESTARTS = 50
_RESTART_AFTER_S = 0.2
_STEPS = 1_000
_HELP = described(
    "Wipe partitions in Redis and rebuild them from rfm.state, which holds all that Redis does. "
    "Running deciders notice within 5 seconds and rebuild; with --now this command does it itself. "
    "No decision is lost or made twice: the partitions wait meanwhile.",
    "redis rebuild --yes",
    "redis rebuild --partition 3 --now --yes",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The states in Redis.", rich_markup_mode=None)
    group.command("rebuild", help=_HELP)(_rebuild)

    # A group of one command would lose the command's name otherwise.
    @group.callback()
    def states() -> None:
        pass

    app.add_typer(group, name="redis", help="The states in Redis.")


def _rebuild(
    ctx: typer.Context,
    partition: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Only this journal partition.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Rebuild here and now, whether or not a decide runs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    settings = quiet_settings_of(ctx)
    if partition is not None and partition >= settings.partitions:
        raise UsageError(
            f"--partition {partition}: there are {settings.partitions}, from 0 to "
            f"{settings.partitions - 1}"
        )
    check_kafka(settings, "rfm.state")
    store = open_store(settings)
    numbers = [partition] if partition is not None else list(range(settings.partitions))
    if not confirm(f"Wipe {len(numbers)} partitions in Redis, to be rebuilt?", yes=yes):
        note("nothing was wiped")
        return
    for number in numbers:
        store.wipe(number)
    if not now:
        note(
            f"{len(numbers)} partitions wiped; running deciders rebuild them within seconds, "
            "`rfm-streams status` shows how far they are"
        )
        return
    started_s = time.monotonic()
    _rebuild_all(settings, store, numbers)
    seconds = time.monotonic() - started_s
    count = count_customers(settings, numbers)
    note(
        f"{count} customers rebuilt in {seconds:.1f} s ({count / max(seconds, 1e-9):,.0f} a second)"
    )


def _rebuild_all(settings: Settings, store: RedisStateStore, numbers: list[int]) -> None:
    state_log = KafkaStateLog(settings.kafka_config(), names_of(settings).topic("rfm.state"))
    try:
        with progress_bar("Rebuilding", len(numbers) * _STEPS) as advance:
            for number in numbers:
                rebuild(state_log, store, number, advance)
    finally:
        state_log.close()


def rebuild(
    state_log: KafkaStateLog,
    store: RedisStateStore,
    number: int,
    advance: Callable[[int], None],
) -> None:
    """Bring one partition of the store to the end of `rfm.state`, beside whoever else does so.

    Raises `Transient` where somebody else keeps writing; `advance` sums up to `_STEPS`.
    """
    done = 0
    for _ in range(_MAX_RESTARTS):
        # The owner compares the positions before it decides; here only Redis is mended.
        recovery = Recovery(number, lambda partition: None, state_log, store)
        try:
            while recovery.step(_READ_TIMEOUT_S) is None:
                reached = max(done, int(recovery.progress * _STEPS))
                advance(reached - done)
                done = reached
        except StoreMovedError:
            time.sleep(_RESTART_AFTER_S)
            continue
        finally:
            recovery.close()
        advance(_STEPS - done)
        return
    raise Transient(
        f"partition {number} of Redis is written by somebody else all the time: a decider owns it "
        "and is rebuilding it, see `rfm-streams status`"
    )
