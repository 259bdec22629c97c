"""The documents as the tests read them: pages, their code, their links, and the commands they name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from streams.cli.main import build_app

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_BUILT = {"build", "dist", "out"}


def all_pages() -> list[str]:
    """Every Markdown page of the project, by its path from the root."""
    folders = [one for one in ROOT.iterdir() if one.is_dir() and one.name not in _BUILT]
    inner = [path for one in folders if one.name[0] != "." for path in one.rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *inner])


def read_page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def links(text: str) -> list[str]:
    """Targets of links within the project, code left out."""
    plain = _INLINE.sub("", _FENCED.sub("", text))
    return [
        one for one in _LINK.findall(plain) if "://" not in one and not one.startswith("mailto:")
    ]


def anchors(text: str) -> set[str]:
    """What a link may name after `#`."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(_FENCED.sub("", text))
    }


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return [body for name, body in _FENCED.findall(text) if name == language]


def code_spans(text: str) -> list[str]:
    """Code within lines."""
    return _INLINE.findall(_FENCED.sub("", text))


def code_lines(text: str) -> Iterator[str]:
    """Code within lines, and the lines of blocks that are meant for a shell."""
    yield from code_spans(text)
    for name, body in _FENCED.findall(text):
        if name in ("", "sh"):
            yield from body.replace("\\\n", " ").splitlines()


def table(text: str, heading: str) -> list[list[str]]:
    """Rows of the table whose header begins with `heading`, cells as they stand."""
    found = re.search(
        rf"^\| {re.escape(heading)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE
    )
    if found is None:
        raise AssertionError(f"no table begins with {heading!r}")
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in found[1].splitlines()]


def program_calls(text: str) -> list[list[str]]:
    """Arguments of every call of `rfm-streams` that is written out."""
    calls = []
    for line in code_lines(text):
        found = re.match(r"\s*(?:\S+=\S* )*(?:\.venv/bin/)?rfm-streams( .*)?$", line)
        if found is not None:
            words = shlex.split(found[1] or "", comments=True)
            ends = [words.index(one) for one in ("|", ">", "&", "&&") if one in words]
            calls.append(words[: min(ends, default=len(words))])
    return calls


def complaint(words: list[str]) -> str | None:
    """What is wrong with the arguments of a call: an unknown command or option; None if nothing is."""
    command: Any = typer.main.get_command(build_app())
    while words:
        word, *words = words
        if word.startswith("-"):
            options = {name: one for one in command.params for name in one.opts}
            if word not in options and word != "--help":
                return f"{command.name} has no option {word}"
            takes_value = word in options and not options[word].is_flag
            words = words[takes_value:]
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"{command.name} has no command {word}"
            command = command.commands[word]
    return None
