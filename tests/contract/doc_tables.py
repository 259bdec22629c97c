"""Tables in the documents that repeat the code: `python -m tests.contract.doc_tables` renews them.

A page marks its tables as those of schemas/reference.py are marked; a test compares.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from schemas.topics import FOREVER, TOPICS, Topic
from streams.adapters.redis import keys
from streams.cli.rules_text import describe_rules, map_grid
from streams.core.rules import compile_rules
from streams.rules.files import rules_text
from streams.runtime.steps import ORDER
from streams.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
_MARK = re.compile(
    r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL
)


def refresh(text: str) -> str:
    """Replace every generated part of a page by today's."""
    return _MARK.sub(lambda mark: mark[1] + PARTS[mark["name"]]() + mark[3], text)


def settings_table() -> str:
    """Every setting with its default and what it is for."""
    return _table(
        ("variable", "default", "what for"),
        [
            (f"`{PREFIX}{name.upper()}`", _default(info), info.description or "")
            for name, info in Settings.model_fields.items()
        ],
    )


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, frozenset):
        value = ",".join(sorted(value))
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        value = json.dumps([int(one) if one == int(one) else float(one) for one in value])
    return "" if value is None or value in ("", {}) else f"`{value}`"


def topics_table() -> str:
    """Every topic, for whom it is, and how long it keeps its records by default."""
    return _table(
        ("topic", "kept", "what"), [(f"`{one.name}`", kept(one), one.description) for one in TOPICS]
    )


def kept(topic: Topic) -> str:
    """How long a topic keeps a record, in words."""
    if topic.cleanup_policy == "compact":
        return "the latest of each key"
    if topic.retention_ms == FOREVER:
        return "for ever"
    days = timedelta(milliseconds=topic.retention_ms or 0).days
    return f"{days} days"


def redis_keys_table() -> str:
    """The table in the keys' own description."""
    lines = (keys.__doc__ or "").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith("|"))


def rules_table() -> str:
    """Limits and campaigns as `rules show` prints them."""
    return _table(("rule", "value"), describe_rules(rules_text(Settings.model_construct())))


def rfm_grid() -> str:
    """The map of segments by R, F and M."""
    rules = compile_rules(rules_text(Settings.model_construct()), 1)
    return _table(("", "F1", "F2", "F3", "F4", "F5"), map_grid(rules))


def cycle_steps() -> str:
    """The steps of a cycle of decide, in order."""
    return " → ".join(f"`{step}`" for step in ORDER) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "topics": topics_table,
    "redis-keys": redis_keys_table,
    "rules": rules_table,
    "rfm-grid": rfm_grid,
    "cycle-steps": cycle_steps,
}

PAGES = (
    "ARCHITECTURE.md",
    "docs/operations.md",
    "docs/personal-data.md",
    "docs/schemes/rfm.md",
)


def main() -> int:
    """Renew every page."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{name} renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
