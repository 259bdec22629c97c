"""Progress of a download: a bar in a terminal, plain lines elsewhere. Both go to stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

MIB = 1_048_576
PLAIN_STEPS = 5


@contextmanager
def show_progress(title: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of bytes done since the last call."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total_bytes)
            yield lambda done_bytes: progress.advance(task, done_bytes)
        return
    step_bytes = max(1, total_bytes // PLAIN_STEPS)
    done_total = 0

    def advance(done_bytes: int) -> None:
        nonlocal done_total
        before, done_total = done_total, done_total + done_bytes
        if before // step_bytes != done_total // step_bytes or done_total == total_bytes:
            say(f"{done_total / MIB:.1f} of {total_bytes / MIB:.1f} MiB")

    def say(text: str) -> None:
        console.print(f"{title}: {text}", highlight=False, soft_wrap=True)

    say(f"0 of {total_bytes / MIB:.1f} MiB")
    yield advance
