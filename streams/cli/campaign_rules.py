"""The journaled campaigns, for the commands about them."""

import json
from typing import Annotated, Any, NamedTuple

import typer

from schemas.currencies import MINOR_DIGITS
from streams.adapters.kafka.patience import patiently
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_rules_log
from streams.cli.context import check_kafka
from streams.cli.live import Live
from streams.core.campaigns.definition import Campaign
from streams.core.rules import Rules, compile_rules
from streams.errors import UsageError
from streams.insights.campaigns import RunTally, VersionRuns
from streams.insights.live import LivePartition
from streams.rules.campaign_words import describe_campaign, starts_words
from streams.settings import Settings

Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
NoRuns = Annotated[
    bool, typer.Option("--no-runs", help="Do not count runs, which reads every customer.")
]


class Journaled(NamedTuple):
    """The newest journaled rules, before any snapshot, and their text."""

    version: int
    text: str
    rules: Rules

    def campaign(self, name: str) -> Campaign:
        """A campaign by its name; raises `UsageError` where there is none."""
        found = self.rules.book.current.get(name)
        if found is None:
            known = ", ".join(sorted(self.rules.book.current)) or "none"
            raise UsageError(
                f"there is no campaign {name!r} in rules version {self.version}; known are {known}. "
                "One that is in files only is journaled by `rfm-streams rules apply`"
            )
        return found

    def definition(self, name: str) -> dict[str, Any]:
        """The same as it was journaled; KeyError where there is none."""
        return definition_of(self.text, name)

    def starts(self, name: str) -> str:
        """What starts it, in words."""
        digits = MINOR_DIGITS[self.rules.base_currency]
        return starts_words(self.definition(name), digits)

    def described(self, name: str) -> list[tuple[str, str]]:
        """The whole definition in words: what, and what is said of it."""
        rows = describe_campaign(self.definition(name), json.loads(self.text))
        return [(what.removeprefix(f"{name}: "), said) for what, said in rows]


def definition_of(text: str, name: str) -> dict[str, Any]:
    """A campaign of journaled rules; KeyError where there is none."""
    campaigns: list[dict[str, Any]] = json.loads(text)["campaigns"]
    return {one["name"]: one for one in campaigns}[name]


def journaled_rules(settings: Settings) -> Journaled:
    """The rules in force or about to be; raises `UsageError` before the first."""
    check_kafka(settings, "rfm.rules")
    record = patiently(build_rules_log(settings).load)
    if record is None:
        raise UsageError(
            "no rules are journaled yet, so there are no campaigns: `rfm-streams run` or "
            "`rfm-streams rules apply` does it"
        )
    return Journaled(record.version, record.rules, compile_rules(record.rules, record.version))


def now_of(settings: Settings, partition: LivePartition) -> int:
    """What time it is for a partition: under the wall clock one that idles has read no tick of late."""
    if settings.clock != "wall":
        return partition.time_ms
    return max(partition.time_ms, SystemClock().now_ms())


def count_runs(live: Live) -> RunTally:
    """The runs under way of all customers, with a progress bar."""
    tally = RunTally()
    for _, state in live.customers():
        tally.add(state)
    return tally


def runs_document(runs: list[VersionRuns]) -> list[dict[str, Any]]:
    """Runs by version, as JSON shows them."""
    return [{"version": one.version, "runs": one.runs, "held": dict(one.held)} for one in runs]
