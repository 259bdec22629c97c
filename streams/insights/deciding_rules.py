"""Which entry of the rules decided something, in words: pure, from the journaled documents."""

import json
from collections.abc import Mapping
from typing import Any, Final

from schemas.currencies import MINOR_DIGITS
from streams.core.inputs import RulesApplied
from streams.core.outputs import ActionRequested, ActionSuppressed, SegmentChanged
from streams.core.schemes import maps
from streams.core.schemes.scheme import names_in
from streams.rules.campaign_words import starts_words
from streams.rules.describe import describe_scheme
from streams.rules.map_grid import conditions_of

# More than a shop makes in years; explain then does without the words of the oldest.
MAX_VERSIONS: Final = 500

Raw = Mapping[str, Any]


class DecidingRules:
    """The journaled rules by version; what one of them is not known of is said without words."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._documents: dict[int, Raw] = {}

    def take(self, record: RulesApplied) -> None:
        """Know one more version."""
        self._texts[record.version] = record.rules
        if len(self._texts) > MAX_VERSIONS:
            oldest = min(self._texts)
            del self._texts[oldest]
            self._documents.pop(oldest, None)

    def of_change(self, change: SegmentChanged) -> str:
        """The row of the scheme that the customer now meets, or of flags those gained and lost."""
        document = self._document(change.rules_version)
        schemes: list[Raw] = document["schemes"] if document is not None else []
        raw = next((one for one in schemes if one["name"] == change.scheme), None)
        if document is None or raw is None:
            return ""
        rows = _rows(raw, document)
        after, before = names_in(change.current), names_in(change.previous)
        said = [f"{name}: {rows[name]}" for name in after if name in rows and name not in before]
        if change.is_flags:
            said += [
                f"no longer {name}: {rows[name]}"
                for name in before
                if name in rows and name not in after
            ]
        if change.scores is not None and raw["kind"] == maps.KIND:
            r, f, m = change.scores
            said.insert(0, f"R{r} F{f} M{m}")
        if change.snapshot_number:
            said.append(f"limits of snapshot {change.snapshot_number}")
        return ", ".join(said)

    def of_action(self, action: ActionRequested | ActionSuppressed, rules_version: int) -> str:
        """The campaign, its version and step, and what starts it."""
        document = self._document(rules_version)
        version = action.version if isinstance(action, ActionRequested) else None
        campaign = _campaign(document, action.campaign, version) if document is not None else None
        if document is None or campaign is None:
            return ""
        starts = starts_words(campaign, MINOR_DIGITS[document["base_currency"]])
        return f"{action.campaign} version {campaign['version']}, step {action.step}: starts by {starts}"

    def _document(self, version: int) -> Raw | None:
        if version not in self._texts:
            return None
        if version not in self._documents:
            self._documents[version] = json.loads(self._texts[version])
        return self._documents[version]


def _rows(raw: Raw, document: Raw) -> dict[str, str]:
    """What puts a customer into each segment of a scheme."""
    if raw["kind"] == maps.KIND:
        return {row["name"]: conditions_of(row) for row in raw["rows"]}
    return dict(describe_scheme(raw, document))


def _campaign(document: Raw, name: str, version: int | None) -> Raw | None:
    """The campaign by which a run began; without its version the present one."""
    for one in (*document["campaigns"], *document["retired"]):
        if one["name"] == name and (version is None or one["version"] == version):
            return dict(one)
    return None
