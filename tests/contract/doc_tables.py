"""Tables and pictures in the documents that repeat the code.

`python -m tests.contract.doc_tables` renews them.

A page marks its tables as those of schemas/reference.py are marked; a test compares.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from schemas.currencies import MINOR_DIGITS
from schemas.topics import FOREVER, TOPICS, Topic
from streams.adapters.access import ROLES, redis_rules
from streams.adapters.kafka.names import Names
from streams.adapters.redis import keys
from streams.core.schemes import maps
from streams.rules.campaign_models import CampaignFile, StepFile, TriggerFile
from streams.rules.campaign_words import starts_words
from streams.rules.describe import describe_rules, describe_scheme
from streams.rules.files import read_rules, rules_document, rules_text
from streams.rules.map_grid import conditions_of, grid_of, named_cells
from streams.rules.policy_file import PolicyFile
from streams.rules.policy_words import describe_policy
from streams.rules.spans import format_span
from streams.rules.tree_words import tree_words
from streams.runtime.steps import ORDER
from streams.settings import PREFIX, Settings
from tests.contract import input_bounds
from tests.contract.map_pictures import picture_of

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
    if isinstance(value, tuple):
        value = ",".join(value)
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


def kafka_access_table() -> str:
    """What each role may do on Kafka."""
    names = Names("", 1)
    return _table(
        ("role", "runs", "reads", "writes", "joins", "transactional ids"),
        [
            (
                f"`{role.name}`",
                _code(role.commands) or role.what,
                _code(role.reads),
                _code(role.writes),
                _code(names.group(one) for one in [role.joins] if one is not None),
                _code(
                    f"{names.transactional_id(one, '')}*"
                    for one in [role.transactions]
                    if one is not None
                ),
            )
            for role in ROLES
        ],
    )


def redis_access_table() -> str:
    """What each role may do in Redis."""
    rules = {role.name: redis_rules([role], "") for role in ROLES}
    return _table(
        ("role", "keys", "commands"),
        [
            (
                f"`{name}`",
                _code(one for one in said if "~" in one) or "none",
                _code(one for one in said if one.startswith("+")),
            )
            for name, said in rules.items()
            if said
        ],
    )


def _code(words: Iterable[str]) -> str:
    # A bar would end the cell, in code too.
    return ", ".join(f"`{word}`" for word in words).replace("|", "\\|")


def bounds_table() -> str:
    """Every bound on what comes from outside."""
    return _table(("input", "bound", "beyond it"), input_bounds.rows())


def rules_table() -> str:
    """Limits as `rules show` prints them; campaigns and their policy have a page of their own."""
    document = json.loads(rules_text(Settings.model_construct()))
    rows = describe_rules(json.dumps({**document, "campaigns": []}))
    policy = describe_policy(document["policy"])
    return _table(("rule", "value"), [row for row in rows if row not in policy])


def policy_table() -> str:
    """What holds for all campaigns, as shipped."""
    return _table(("policy", "as shipped"), describe_policy(_shipped()["policy"]))


def campaigns_table() -> str:
    """Every shipped campaign, by priority: what for (the first line of its file), and when."""
    digits = MINOR_DIGITS[_shipped()["base_currency"]]
    return _table(
        ("campaign", "priority", "what for", "starts", "steps"),
        [
            (
                f"`{one['name']}`",
                str(one["priority"]),
                _first_line(one["name"]),
                _started(one, digits),
                ", ".join(
                    f"{step['name']} after {format_span(step['after_ms'])}" for step in one["steps"]
                ),
            )
            for one in sorted(_shipped()["campaigns"], key=lambda one: one["priority"])
        ],
    )


def _started(campaign: Mapping[str, Any], digits: int) -> str:
    starts = starts_words(campaign, digits)
    when = campaign["when"]
    return starts if when is None else f"{starts}, where {tree_words(when, digits)}"


def _first_line(campaign: str) -> str:
    path = ROOT / "streams/rules/campaigns" / f"{campaign}.yaml"
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def left_out_table() -> str:
    """Shipped campaigns that do not run without further settings."""
    left_out = read_rules(Settings.model_construct()).left_out
    return _table(("left out", "why"), [(f"`{name}`", why) for name, why in left_out.items()])


def fields_table(model: type[BaseModel]) -> str:
    """The fields of a rule file."""
    return _table(
        ("field", "", "what"),
        [
            (
                f"`{info.alias or name}`",
                "must" if info.is_required() else "",
                info.description or "",
            )
            for name, info in model.model_fields.items()
        ],
    )


@cache
def shipped_schemes() -> Mapping[str, Mapping[str, Any]]:
    """Every scheme that is shipped, journaled, by its name."""
    return {scheme["name"]: scheme for scheme in _shipped()["schemes"]}


@cache
def _shipped() -> dict[str, Any]:
    chosen = Settings.model_construct(
        schemes="full", rfm_maps=("eleven", "grid", "rf_ten", "three_by_three")
    )
    return rules_document(chosen)


def segments_table(name: str) -> str:
    """Each segment of a scheme with what puts a customer into it."""
    scheme = shipped_schemes()[name]
    if scheme["kind"] == maps.KIND:
        cells = list(named_cells(scheme).values())
        return _table(
            ("segment", "where", f"of {len(cells)} cells"),
            [
                (f"**{row['name']}**", conditions_of(row), str(cells.count(row["name"])))
                for row in scheme["rows"]
            ],
        )
    rows = [(f"**{what}**", said) for what, said in describe_scheme(scheme, _shipped())]
    return _table(("segment", "who"), rows)


def limits_table(name: str) -> str:
    """What R, F and M of a map are scored by."""
    rows = describe_scheme(shipped_schemes()[name], _shipped())[:3]
    return _table(("score", "limits"), rows)


def grid_table(name: str) -> str:
    """The segments of a map by its scores."""
    header, *rows = grid_of(shipped_schemes()[name])
    return _table(header, rows)


def cycle_steps() -> str:
    """The steps of a cycle of decide, in order."""
    return " → ".join(f"`{step}`" for step in ORDER) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _mark(kind: str, name: str) -> str:
    return f"{kind}-{name.replace('_', '-')}"


PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "topics": topics_table,
    "redis-keys": redis_keys_table,
    "access-kafka": kafka_access_table,
    "access-redis": redis_access_table,
    "input-bounds": bounds_table,
    "rules": rules_table,
    "policy": policy_table,
    "campaigns": campaigns_table,
    "left-out": left_out_table,
    "fields-campaign": partial(fields_table, CampaignFile),
    "fields-trigger": partial(fields_table, TriggerFile),
    "fields-step": partial(fields_table, StepFile),
    "fields-policy": partial(fields_table, PolicyFile),
    "cycle-steps": cycle_steps,
    **{_mark("segments", name): partial(segments_table, name) for name in shipped_schemes()},
    **{
        _mark(kind, name): partial(table, name)
        for name, scheme in shipped_schemes().items()
        if scheme["kind"] == maps.KIND
        for kind, table in (("grid", grid_table), ("limits", limits_table))
    },
}

SCHEMES = "docs/schemes"
PAGES = (
    "ARCHITECTURE.md",
    "docs/campaigns.md",
    "docs/operations.md",
    "docs/personal-data.md",
    "docs/security.md",
    *(f"{SCHEMES}/{name}.md" for name in shipped_schemes()),
)
PICTURES: Mapping[str, Callable[[], str]] = {
    f"{SCHEMES}/{name}.svg": partial(picture_of, scheme)
    for name, scheme in shipped_schemes().items()
    if scheme["kind"] == maps.KIND
}


def main() -> int:
    """Renew every page and picture."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{name} renewed\n")
    for name, draw in PICTURES.items():
        (ROOT / name).write_text(draw(), encoding="utf-8")
        sys.stdout.write(f"{name} renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
