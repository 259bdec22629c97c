"""How a back-test is to be read, in words: for people, and beside its figures as JSON."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from streams.backtest.play import Period, Played
from streams.backtest.rule_sets import Consent, RuleSet
from streams.codec.text import format_instant

READING: Final = (
    "No customer got these messages. What was bought after them, by those addressed, by the control "
    "group and by all customers, was bought anyway: no difference between these shares is an effect."
)


class Told(NamedTuple):
    """One back-test as a whole.

    Lists are by rule set: what a pass amounted to, to how many customers something is sent, and to
    how many of them no other set sends anything.
    """

    period: Period
    consent: Consent
    rule_sets: Sequence[RuleSet]
    played: Sequence[Played]
    addressed: Sequence[int]
    alone: Sequence[int]

    @property
    def known_ms(self) -> int:
        """Up to where history tells who bought."""
        return self.played[0].known_ms

    def lines(self) -> list[str]:
        """What a person must know to read the figures, one sentence a line."""
        lines: list[str] = []
        for rule_set, played, addressed in self._sets():
            lines.append(
                f"{rule_set.name} ({rule_set.source}): {addressed} of {played.customers} customers "
                "would have been sent something"
            )
            lines += [
                f"{rule_set.name}: the guard of {campaign} paused it at {format_instant(at_ms)} and "
                "nobody resumed it, so its later steps are held back; raise its flood limits to see "
                "the rest"
                for campaign, at_ms in played.paused.items()
            ]
            lines += [
                f"{rule_set.name}: {campaign} is left out: it {reason}"
                for campaign, reason in sorted(rule_set.left_out.items())
            ]
        if len(self.rule_sets) > 1:
            only = ", ".join(
                f"{count} by {rule_set.name} only"
                for rule_set, count in zip(self.rule_sets, self.alone, strict=True)
            )
            lines.append(
                f"customers addressed by both: {self.addressed[0] - self.alone[0]}, {only}"
            )
        lines.append(f"consent of customers who never said yes or no: {self.consent}")
        if self.known_ms < self.period.followed_ms:
            lines.append(
                f"the history ends at {format_instant(self.known_ms)}: actions of the 7 days before "
                "it are in no share"
            )
        return [*lines, READING]

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "from": format_instant(self.period.from_ms),
            "to": format_instant(self.period.to_ms),
            "purchases_known_until": format_instant(self.known_ms),
            "consent_unknown": self.consent,
            "reading": READING,
            "rule_sets": {
                rule_set.name: {
                    "source": rule_set.source,
                    "customers": played.customers,
                    "customers_addressed": addressed,
                    "customers_addressed_by_it_alone": alone,
                    "left_out": dict(sorted(rule_set.left_out.items())),
                    "dead_letters": played.refused,
                    "paused_by_guard": {
                        campaign: format_instant(at_ms) for campaign, at_ms in played.paused.items()
                    },
                }
                for (rule_set, played, addressed), alone in zip(
                    self._sets(), self.alone, strict=True
                )
            },
        }

    def _sets(self) -> list[tuple[RuleSet, Played, int]]:
        return list(zip(self.rule_sets, self.played, self.addressed, strict=True))
