"""Rule trees in files, to their journaled form, and what compiling them needs of the settings."""

import json
from typing import Any, NamedTuple

from schemas.currencies import MINOR_DIGITS
from streams.core.schemes.scheme import Shop
from streams.core.tree import TreeError, compile_tree, journaled_tree
from streams.core.values import DAY_MS
from streams.settings import Settings
from streams.yaml_file import Location, YamlFile


class ReadTree(NamedTuple):
    """The journaled form, and the segments it asks for, as (scheme, segment)."""

    journaled: Any
    asked: frozenset[tuple[str, str]]


def read_tree(text: YamlFile, at: Location, what: str, raw: object, settings: Settings) -> ReadTree:
    """The tree `raw` that stands at `at`; `what` names it in errors. Raises `UsageError`."""
    try:
        tree = journaled_tree(raw, MINOR_DIGITS[settings.base_currency])
        compiled = compile_tree(tree, window_ms=settings.window_days * DAY_MS)
        json.dumps(tree)
    except TreeError as error:
        raise text.complaint((*at, *error.path), f"{what}: {error}") from error
    except TypeError as error:
        # YAML reads 2000-01-31 as a date, which the journal could not give back.
        raise text.complaint(at, f"{what}: {error}; put it in quotes") from error
    return ReadTree(tree, compiled.asked)


def shop_of(settings: Settings) -> Shop:
    """What all schemes and trees of this shop share."""
    return Shop(
        settings.window_days * DAY_MS,
        settings.population_minimum_customers,
        int(settings.population_minimum_history_days * DAY_MS),
        settings.count_zero_value_orders,
    )
