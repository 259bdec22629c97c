"""One campaign file on its way to the journaled form: every name checked, every line at hand."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.core.campaigns.definition import CART, CUSTOMER, DROP, compile_campaign
from streams.core.campaigns.triggers import CLOCK, EVENT
from streams.rules.asked_segments import KnownScheme, nonexistent_segment
from streams.rules.campaign_models import (
    BY_SEGMENT,
    CampaignFile,
    EnteringFile,
    LeavingFile,
    SegmentFile,
    StepFile,
    TriggerFile,
    VariantFile,
)
from streams.rules.rule_trees import read_tree, shop_of
from streams.settings import Settings
from streams.yaml_file import Location, YamlFile

_CART_EVENTS: Final = ("cart.updated", "cart.abandoned")
_FLAG_WORDS: Final = {"enters": "gains", "leaves": "loses"}
_SEGMENT_WORDS: Final = {flag: segment for segment, flag in _FLAG_WORDS.items()}


class Surroundings(NamedTuple):
    """What campaign files may name: segments of all schemes, classes of offers."""

    settings: Settings
    schemes: Mapping[str, KnownScheme]
    offers: tuple[str, ...]


class CampaignReader(NamedTuple):
    """One file on its way to the journaled form."""

    text: YamlFile
    file: CampaignFile
    surroundings: Surroundings

    def journaled(self) -> dict[str, Any]:
        """The form in which the core compiles it; raises `UsageError`."""
        file = self.file
        if (file.trigger is None) == (file.triggers is None):
            raise self.text.complaint(("triggers",), "give either trigger or triggers")
        raw = {
            "name": file.name,
            "version": file.version,
            "priority": file.priority,
            "channels": list(dict.fromkeys(file.channels)),
            "tags": sorted(set(file.tags)),
            "key": self._key(),
            "triggers": [self._trigger(at, one) for at, one in file.all_triggers()],
            "when": self._tree(("when",), file.when),
            "quiet_ms": self._quiet_ms(),
            "re_entry_ms": file.re_entry,
            "group": file.group,
            "group_gap_ms": self._group_gap_ms(),
            "mutes": None
            if file.mutes is None
            else {"tags": sorted(set(file.mutes.tags)), "for_ms": file.mutes.span},
            "exits": self._exits(),
            "max_start_delay_ms": file.max_start_delay,
            "is_capped": file.caps != "none",
            "keeps_quiet_hours": file.quiet_hours,
            "beyond_cap": DROP if file.caps == DROP else "defer",
            "control_percent": file.control,
            "flood": {
                "most": file.guard.actions,
                "per_ms": file.guard.per,
                "share_percent": file.guard.share,
            },
            "suggestions": file.suggestions,
            "tells_return_rates": file.return_rates,
            "steps": self._steps(),
        }
        try:
            compile_campaign(raw, {}, shop_of(self.surroundings.settings))
        except ValueError as error:
            raise self.text.complaint(("name",), str(error)) from error
        return raw

    # -- what starts it --------------------------------------------------------------------------

    def _key(self) -> str:
        file = self.file
        others = [one for _, one in file.all_triggers() if one.event not in _CART_EVENTS]
        key = file.key or (CUSTOMER if others else CART)
        if key == CUSTOMER and file.return_rates:
            raise self.text.error(("return_rates",), "needs a cart: key cart")
        if key == CART and others:
            raise self.text.error(
                ("key",), f"is cart, so nothing but {' and '.join(_CART_EVENTS)} may start it"
            )
        if key == CART and "re_entry" in file.model_fields_set:
            raise self.text.error(
                ("re_entry",), "is for key customer: every change of a cart is a cause of its own"
            )
        return key

    def _trigger(self, at: Location, trigger: TriggerFile) -> dict[str, Any]:
        kind = trigger.kind
        if kind in BY_SEGMENT:
            return self._by_segment((*at, kind), trigger)
        if trigger.event is not None:
            both = [EVENT, CLOCK] if trigger.event == "cart.abandoned" else [EVENT]
            return {
                "kind": "event",
                "event": trigger.event,
                "when": self._tree((*at, "when"), trigger.when),
                "causes": sorted(set(trigger.causes or both), reverse=True),
            }
        if trigger.schedule is not None:
            schedule = trigger.schedule
            return {
                "kind": "schedule",
                "every": schedule.every,
                "minute": schedule.at,
                "weekday": schedule.on,
                "day": schedule.day,
                "month": schedule.month,
                "seasons": schedule.seasons,
                "when": self._tree((*at, "when"), trigger.when),
            }
        return {"kind": "date", "date": trigger.date, "minute": trigger.at}

    def _by_segment(self, at: Location, trigger: TriggerFile) -> dict[str, Any]:
        word = trigger.kind
        asked: SegmentFile = getattr(trigger, word)
        scheme = self._scheme(at, asked)
        other = (_FLAG_WORDS if scheme.is_flags else _SEGMENT_WORDS).get(word)
        if other is not None:
            has = "flags" if scheme.is_flags else "segments and no flags"
            raise self.text.complaint(at, f"scheme {asked.scheme} has {has}: write {other}")
        direction = asked.direction if isinstance(asked, LeavingFile) else None
        if direction is not None and not scheme.is_ranked:
            raise self.text.complaint(
                (*at, "direction"),
                f"scheme {asked.scheme} has no order from best to worst, so there is no {direction}",
            )
        origins = asked.origins if isinstance(asked, EnteringFile) else None
        for index, origin in enumerate(origins or ()):
            where = (*at, "from", index)
            self._check_segment(where, asked.scheme, origin)
            if origin == asked.segment:
                raise self.text.complaint(where, f"nobody enters {origin} from {origin}")
        return {
            "kind": _SEGMENT_WORDS.get(word, word),
            "scheme": asked.scheme,
            "segment": asked.segment,
            "from": origins,
            "direction": direction,
            "causes": sorted(set(trigger.causes or ()), reverse=True),
        }

    def _scheme(self, at: Location, asked: SegmentFile) -> KnownScheme:
        self._check_segment(at, asked.scheme, asked.segment)
        return self.surroundings.schemes[asked.scheme]

    def _check_segment(self, at: Location, scheme: str, segment: str) -> None:
        unknown = nonexistent_segment(scheme, segment, self.surroundings.schemes)
        if unknown is not None:
            raise self.text.complaint(at, unknown)

    def _tree(self, at: Location, raw: object) -> Any:
        if raw is None:
            return None
        what = ".".join(map(str, at))
        tree = read_tree(self.text, at, what, raw, self.surroundings.settings)
        for scheme, segment in sorted(tree.asked):
            unknown = nonexistent_segment(scheme, segment, self.surroundings.schemes)
            if unknown is not None:
                raise self.text.complaint(at, f"{what}: {unknown}")
        return tree.journaled

    # -- limits and ends -------------------------------------------------------------------------

    def _quiet_ms(self) -> int:
        quiet_ms = self.file.quiet
        for _, trigger in self.file.all_triggers():
            by_event = trigger.event is not None or EVENT in (trigger.causes or ())
            if quiet_ms and by_event:
                raise self.text.error(
                    ("quiet",), "shuts out every start by an event: then the customer is not quiet"
                )
        return quiet_ms

    def _group_gap_ms(self) -> int:
        if self.file.group is None and self.file.group_gap:
            raise self.text.error(("group_gap",), "needs a group")
        return self.file.group_gap

    def _exits(self) -> dict[str, Any]:
        exits = self.file.exits
        for index, asked in enumerate(exits.segments):
            self._check_segment(("exits", "segments", index), asked.scheme, asked.segment)
        enters = any(one.kind in {"enters", "gains"} for _, one in self.file.all_triggers())
        if exits.leaving and not enters:
            raise self.text.error(("exits", "leaving"), "needs a trigger that enters or gains")
        return {
            "events": [
                {
                    "event": one.event,
                    "when": self._tree(("exits", "events", index, "when"), one.when),
                }
                for index, one in enumerate(exits.events)
            ],
            "segments": [one.model_dump() for one in exits.segments],
            "leaving": enters if exits.leaving is None else exits.leaving,
        }

    # -- steps -----------------------------------------------------------------------------------

    def _steps(self) -> list[dict[str, Any]]:
        steps = self.file.steps
        names: set[str] = set()
        for index, step in enumerate(steps):
            at = ("steps", index)
            if step.name in names:
                raise self.text.complaint(at, f"two steps are called {step.name}")
            names.add(step.name)
            if index and step.after < steps[index - 1].after:
                raise self.text.error(
                    (*at, "after"),
                    f"is before that of step {steps[index - 1].name}: sort the steps",
                )
            if step.every is not None and index + 1 < len(steps):
                raise self.text.error(
                    (*at, "every"), f"belongs to the last step: {steps[index + 1].name} comes after"
                )
        return [self._step(("steps", index), step) for index, step in enumerate(steps)]

    def _step(self, at: Location, step: StepFile) -> dict[str, Any]:
        return {
            "name": step.name,
            "after_ms": step.after,
            "minute": step.at,
            "weekdays": None if step.on is None else sorted(set(step.on)),
            "every_ms": step.every,
            "rounds": step.rounds,
            "valid_for_ms": step.valid_for,
            "variants": self._variants(at, step),
        }

    def _variants(self, at: Location, step: StepFile) -> list[dict[str, Any]]:
        if step.variants is None:
            self._check_offer((*at, "offer"), step.offer)
            return [_act(None, step.template, step.offer)]
        found: list[dict[str, Any]] = []
        for index, variant in enumerate(step.variants):
            here = (*at, "variants", index)
            if found and found[-1]["when"] is None:
                raise self.text.complaint(
                    here, f"nobody gets here: variant {index} of step {step.name} is for everybody"
                )
            self._check_offer((*here, "offer"), variant.offer)
            found.append(self._variant((*here, "when"), variant))
        return found

    def _variant(self, at: Location, variant: VariantFile) -> dict[str, Any]:
        when = self._tree(at, variant.when)
        if variant.template is not None:
            return _act(when, variant.template, variant.offer)
        does = "skip" if variant.skip else "stop"
        return {"when": when, "does": does, "template": "", "offer": None}

    def _check_offer(self, at: Location, offer: str | None) -> None:
        known = self.surroundings.offers
        if offer is not None and offer not in known:
            raise self.text.complaint(
                at, f"the policy has no offer {offer!r}; known are {', '.join(known)}"
            )


def _act(when: Any, template: str | None, offer: str | None) -> dict[str, Any]:
    return {"when": when, "does": "act", "template": template, "offer": offer}
