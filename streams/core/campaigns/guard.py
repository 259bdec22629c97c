"""The blast-radius guard: a campaign that reaches far more customers than it should pauses itself.

It belongs to a partition and is a function of that partition's journal, as states are. Each
partition takes its share of the limit, so all together stay below it without asking each other; the
first to reach it tells the others through the journal.
"""

from dataclasses import dataclass, field
from typing import Final

from streams.core.campaigns.book import Book
from streams.core.campaigns.definition import Campaign

# A span is counted in so many parts: at most a twelfth more is looked back on than the limit says.
_PARTS: Final = 12
# Below this many actions a share of the customers says nothing: a small shop has twenty of them.
SHARE_FROM: Final = 100


@dataclass(slots=True)
class Guard:
    """Actions of late by campaign, and who is paused.

    `counts` maps a campaign to the actions in each part of its span. `paused` maps a campaign to the
    release (`Campaign.release`) that was paused: a later one goes on. `customers` are those of this
    partition, `tripped` what has paused since it was last looked at.
    """

    partitions: int = 1
    customers: int = 0
    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    paused: dict[str, int] = field(default_factory=dict)
    tripped: list[tuple[str, int]] = field(default_factory=list)

    def copy(self) -> "Guard":
        """For one batch, to be kept after its commit or dropped with it."""
        counts = {name: dict(parts) for name, parts in self.counts.items()}
        return Guard(self.partitions, self.customers, counts, dict(self.paused))

    def holds(self, campaign: Campaign) -> bool:
        """Whether the campaign is paused, by itself or by a person."""
        return campaign.is_paused or self.paused.get(campaign.name, -1) >= campaign.release

    def admit(self, campaign: Campaign, now_ms: int) -> bool:
        """Count one more action; False where that would be one too many, and the campaign pauses."""
        if self.holds(campaign):
            return False
        span_ms = max(campaign.flood.per_ms // _PARTS, 1)
        present = now_ms // span_ms
        parts = self.counts.setdefault(campaign.name, {})
        for part in [part for part in parts if part < present - _PARTS]:
            del parts[part]
        if sum(parts.values()) >= self._most(campaign):
            self.pause(campaign.name, campaign.release)
            self.tripped.append((campaign.name, campaign.release))
            return False
        parts[present] = parts.get(present, 0) + 1
        return True

    def pause(self, name: str, release: int) -> None:
        """Hold the campaign until a person resumes it."""
        self.paused[name] = max(release, self.paused.get(name, -1))
        # Its count begins anew then: what paused it has been looked at.
        self.counts.pop(name, None)

    def forget_resumed(self, book: Book) -> None:
        """Drop the pauses that a person has ended, and those of campaigns that are gone."""
        for name, release in list(self.paused.items()):
            campaign = book.current.get(name)
            if campaign is None or campaign.release > release:
                del self.paused[name]
        self.counts = {name: some for name, some in self.counts.items() if name in book.current}

    def _most(self, campaign: Campaign) -> int:
        flood = campaign.flood
        share = max(flood.share_percent * self.customers // 100, SHARE_FROM // self.partitions)
        return max(1, min(flood.most // self.partitions, share))
