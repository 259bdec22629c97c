"""`dead-letters list`, `show` and `retry`."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.dead_letters import REMEDIES, Reason
from schemas.topics import TOPIC_BY_NAME
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.output import (
    clean,
    confirm,
    note,
    print_fields,
    print_json,
    print_table,
    progress_bar,
)
from streams.cli.retry import Retries, send_again, targets_of
from streams.errors import UsageError
from streams.insights.dead_letters import DeadLetter, read_dead_letter
from streams.insights.topic_reader import TopicReader
from streams.settings import Settings

# The topic has one partition, so an offset names a dead letter.
PARTITION = 0
# A person can read a page of it; a 10 MB record would drown the terminal.
_SHOWN_BYTES = 4_000
_SHOWN_KEY = 60
_MAX_VALUE_BYTES = TOPIC_BY_NAME["dead-letters"].max_message_bytes
_LIST = described(
    "The latest dead letters: records that could not be used, with the reason.",
    "dead-letters list",
    "dead-letters list --reason no_exchange_rate --limit 1000 --json",
)
_SHOW = described(
    "One dead letter: why, where it came from, its key, headers and value.",
    "dead-letters show 17",
)
_RETRY = described(
    "Publish dead letters again to the topic they came from, with key, value and headers as they "
    "were, once the settings or the value are mended. What was sent again is remembered and left "
    "out the next time (name it with --offset to send it once more); should that memory be lost, "
    "nothing is counted twice, because an event is known by its id.",
    "dead-letters retry --reason no_exchange_rate",
    "dead-letters retry --offset 17 --value mended.json --yes",
)
ReasonOption = Annotated[
    str | None,
    typer.Option(metavar="REASON", help=f"Only this reason: {', '.join(Reason)}."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Records that could not be used.", rich_markup_mode=None)
    group.command("list", help=_LIST)(_list)
    group.command("show", help=_SHOW)(_show)
    group.command("retry", help=_RETRY)(_retry)
    app.add_typer(group, name="dead-letters")


def _list(
    ctx: typer.Context,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    settings = _prepared(ctx, reason)
    retried = Retries(settings).load()
    with _letters(settings, reason) as letters:
        latest = deque(letters, maxlen=limit)
    if as_json:
        for letter in latest:
            print_json(_summary(letter, retried))
        return
    print_table(
        ("offset", "at", "reason", "field", "topic", "key", "attempt", "retried", "message"),
        [tuple(_summary(letter, retried).values()) for letter in latest],
    )


def _show(
    ctx: typer.Context,
    offset: Annotated[int, typer.Argument(min=0, help="As `dead-letters list` prints it.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    settings = _prepared(ctx, None)
    letter = _one(settings, offset)
    text = (letter.value or b"").decode(errors="replace")
    if as_json:
        about: dict[str, Any] = {
            **_summary(letter, Retries(settings).load()),
            "about": letter.about,
            "headers": [
                (name, (raw or b"").decode(errors="replace")) for name, raw in letter.headers
            ],
            "value": text if letter.value is not None else None,
        }
        print_json(about)
        return
    remedy = REMEDIES[Reason(letter.reason)] if letter.reason in set(Reason) else None
    print_fields(
        [
            ("offset", letter.offset),
            *letter.about.items(),
            ("what to do", remedy),
            ("key", _key(letter)),
            *(
                (f"header {name}", (raw or b"").decode(errors="replace"))
                for name, raw in letter.headers
            ),
            ("value", "none" if letter.value is None else f"{len(letter.value)} bytes"),
        ]
    )
    typer.echo("\n".join(clean(line) for line in text[:_SHOWN_BYTES].splitlines()))
    if len(text) > _SHOWN_BYTES:
        note(f"cut after {_SHOWN_BYTES} characters; --json shows all")


def _retry(
    ctx: typer.Context,
    reason: ReasonOption = None,
    offset: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Only this dead letter.")
    ] = None,
    value: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The mended value, instead of the one that came."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    mended = _mended(value, offset)
    settings = _prepared(ctx, reason)
    retries = Retries(settings)
    if offset is not None:
        _check_sendable(_one(settings, offset), mended, settings)
        wanted = {offset}
    else:
        wanted = _select(settings, reason, retries.load())
    if not wanted:
        note("no dead letter to send again")
        return
    if not confirm(f"Send {len(wanted)} dead letters again?", yes=yes):
        note("nothing was sent")
        return
    with _letters(settings, reason, first=min(wanted), last=max(wanted)) as letters:
        chosen = (letter for letter in letters if letter.offset in wanted)
        with progress_bar("Sending", len(wanted)) as advance:
            sent = send_again(settings, retries, chosen, mended, advance)
    note(f"{sent} sent again")


def _select(settings: Settings, reason: str | None, retried: set[int]) -> set[int]:
    """Offsets to send again; what cannot be is said."""
    wanted: set[int] = set()
    targets = targets_of(settings)
    unsendable = already = foreign = 0
    with _letters(settings, reason) as letters:
        for letter in letters:
            if letter.offset in retried:
                already += 1
            elif letter.about.get("topic") not in targets:
                foreign += 1
            elif not letter.needs_value:
                wanted.add(letter.offset)
            else:
                unsendable += 1
    if already:
        note(f"{already} were sent again before and are left out")
    if foreign:
        note(f"{foreign} came from no public topic and are left out: send a mended event instead")
    if unsendable:
        note(f"{unsendable} were cut or have no value: send each with --offset N --value FILE")
    return wanted


def _check_sendable(letter: DeadLetter, mended: bytes | None, settings: Settings) -> None:
    if letter.about.get("topic") not in targets_of(settings):
        raise UsageError(
            f"dead letter {letter.offset} came from {letter.about.get('topic')!r}, no public topic, "
            "and cannot go back there: publish a mended event instead"
        )
    if mended is None and letter.needs_value:
        raise UsageError(
            f"dead letter {letter.offset} was cut or has no value "
            f"({letter.about.get('truncated', 'none')}): give the whole value with --value FILE"
        )


def _mended(value: Path | None, offset: int | None) -> bytes | None:
    if value is None:
        return None
    if offset is None:
        raise UsageError("--value replaces one value: name the dead letter with --offset N")
    try:
        with value.open("rb") as file:
            content = file.read(_MAX_VALUE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--value {value}: {error.strerror}") from error
    if len(content) > _MAX_VALUE_BYTES:
        raise UsageError(
            f"--value {value}: is larger than {_MAX_VALUE_BYTES >> 20} MiB, which no topic takes"
        )
    return content


def _prepared(ctx: typer.Context, reason: str | None) -> Settings:
    if reason is not None and reason not in set(Reason):
        raise UsageError(f"--reason {reason}: no such reason; there are {', '.join(Reason)}")
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "dead-letters")
    return settings


@contextmanager
def _letters(
    settings: Settings, reason: str | None, *, first: int = 0, last: int | None = None
) -> Iterator[Iterator[DeadLetter]]:
    """Dead letters in order, with a progress bar."""
    reader = TopicReader(settings.kafka_config(), names_of(settings).topic("dead-letters"))
    try:
        bounds = reader.bounds(PARTITION)
        start = max(first, bounds.start)
        end = bounds.end if last is None else min(last + 1, bounds.end)
        with progress_bar("Reading dead letters", max(0, end - start)) as advance:
            yield _read(reader, start, end, reason, advance)
    finally:
        reader.close()


def _read(
    reader: TopicReader,
    start: int,
    end: int,
    reason: str | None,
    advance: Callable[[int], None],
) -> Iterator[DeadLetter]:
    done = start
    for message in reader.read(PARTITION, start, end):
        letter = read_dead_letter(message)
        advance(letter.offset + 1 - done)
        done = letter.offset + 1
        if reason is None or letter.reason == reason:
            yield letter


def _one(settings: Settings, offset: int) -> DeadLetter:
    with _letters(settings, None, first=offset, last=offset) as letters:
        found = next((letter for letter in letters if letter.offset == offset), None)
    if found is None:
        raise UsageError(
            f"no dead letter has offset {offset}: `rfm-streams dead-letters list` prints them; "
            "they are kept for 30 days"
        )
    return found


def _summary(letter: DeadLetter, retried: set[int]) -> dict[str, Any]:
    return {
        "offset": letter.offset,
        "at": letter.about.get("at"),
        "reason": letter.reason,
        "field": letter.about.get("field"),
        "topic": letter.about.get("topic"),
        "key": _key(letter),
        "attempt": letter.attempt,
        "retried": "yes" if letter.offset in retried else "no",
        "message": letter.about.get("message"),
    }


def _key(letter: DeadLetter) -> str | None:
    if letter.key is None:
        return None
    text = letter.key.decode(errors="replace")
    return text if len(text) <= _SHOWN_KEY else f"{text[:_SHOWN_KEY]}..."
