"""Campaigns as they stand: what persons and the guard decided about them, and who is under way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from streams.core.campaigns.definition import Campaign
from streams.core.state import CustomerState
from streams.insights.live import LivePartition


class Standing(NamedTuple):
    """What holds for a campaign beside its definition.

    `members` are whom it was armed for: `future`, `present` or `both`; None where it is not armed.
    `held_in` are the partitions whose guard has paused it.
    """

    members: str | None
    is_dry_run: bool
    is_paused: bool
    held_in: tuple[int, ...]

    @property
    def words(self) -> str:
        """In one line."""
        said = [_ARMED[self.members]]
        if self.members is not None and self.is_dry_run:
            said.append("dry run")
        if self.is_paused:
            said.append("paused by a person")
        if self.held_in:
            said.append(f"paused by the guard (partition {', '.join(map(str, self.held_in))})")
        return ", ".join(said)


_ARMED: Final = {
    None: "not armed",
    "future": "armed",
    "present": "armed for present members only",
    "both": "armed, present members included",
}


def standing_of(campaign: Campaign, partitions: Iterable[LivePartition]) -> Standing:
    """How a campaign of the journaled rules stands; `partitions` tell whom their guards hold."""
    members: str | None = None
    if campaign.is_armed:
        present = "both" if campaign.takes_future else "present"
        members = present if campaign.present_since else "future"
    # A person's pause holds it everywhere; what is asked here is who else does.
    unpaused = replace(campaign, is_paused=False)
    held_in = tuple(one.number for one in partitions if one.guard.holds(unpaused))
    return Standing(members, campaign.is_dry_run, campaign.is_paused, held_in)


class VersionRuns(NamedTuple):
    """Runs under way by one version; `held` counts those that wait for something, by its name."""

    version: int
    runs: int
    held: Mapping[str, int]

    @property
    def words(self) -> str:
        """Such as `12 by version 3 (2 paused)`."""
        held = ", ".join(f"{count} {reason}" for reason, count in sorted(self.held.items()))
        return f"{self.runs} by version {self.version}{f' ({held})' if held else ''}"


@dataclass(slots=True)
class RunTally:
    """Counts the runs under way of all customers it is given."""

    _counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    def add(self, state: CustomerState) -> None:
        """Count one customer's."""
        for run in (one for one in state.runs if one.is_live):
            self._counts[run.campaign, run.version, run.waiting] += 1

    @property
    def campaigns(self) -> set[str]:
        """Names of all campaigns with runs."""
        return {campaign for campaign, _, _ in self._counts}

    def of(self, campaign: str) -> list[VersionRuns]:
        """Runs of one campaign, the newest version first."""
        found: dict[int, Counter[str]] = {}
        for (name, version, waiting), count in self._counts.items():
            if name == campaign:
                found.setdefault(version, Counter())[waiting] += count
        return [
            VersionRuns(version, some.total(), {reason: some[reason] for reason in some if reason})
            for version, some in sorted(found.items(), reverse=True)
        ]
