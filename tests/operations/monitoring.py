"""What the files under deploy/ ask of Prometheus, and which metrics there are to ask for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.metrics.catalogue import CATALOGUE
from tests.prometheus import ROOT

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs" / "runbooks"
# Of the delivery stage, whose metrics are not in this repository's catalogue yet.
PLANNED = {
    "rfm_deliveries_total",
    "rfm_delivery_retries_total",
    "rfm_delivery_circuit_open",
    "rfm_delivery_pending",
}
# Of Prometheus itself and of its client.
STANDARD = {
    "up",
    "ALERTS",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
_NO_DELIVERY = "no process of the delivery stage runs in the test"
# Panels about what does not happen in a small system that is well, with the reason.
MAY_BE_EMPTY = {
    ("pipeline", "Recoveries under way"): "a recovery of a few customers is over within a scrape",
    ("segments-and-campaigns", "Paused campaigns"): "no campaign is paused",
    ("segments-and-campaigns", "Outcomes of runs"): "a run has its outcome after days",
    ("segments-and-campaigns", "Actions by channel and outcome"): _NO_DELIVERY,
    ("segments-and-campaigns", "Retries by what failed"): _NO_DELIVERY,
    ("segments-and-campaigns", "Oldest action that waits"): _NO_DELIVERY,
    ("segments-and-campaigns", "Actions on their way"): _NO_DELIVERY,
    ("segments-and-campaigns", "Receivers left alone"): _NO_DELIVERY,
}
_METRIC = re.compile(r"\b(?:rfm_|process_)\w+|\bup\b|\bALERTS\b")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    dashboard: str
    panel: str
    expression: str


def known_series() -> set[str]:
    """Every name of a series that can be asked for."""
    names = set(STANDARD) | PLANNED
    for one in CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
        names |= {one.name + suffix for suffix in suffixes}
    return names


def series_of(expression: str) -> set[str]:
    """Names of series in a query."""
    without_texts = re.sub(r'"[^"]*"', '""', expression)
    return set(_METRIC.findall(without_texts))


def panels_of(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those inside rows included."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboard_queries() -> list[Query]:
    """Every query of every panel, with Grafana's variables filled in."""
    found = []
    for path in DASHBOARDS:
        for panel in panels_of(json.loads(path.read_text(encoding="utf-8"))):
            found += [
                Query(path.stem, panel["title"], filled(target["expr"]))
                for target in panel.get("targets", [])
            ]
    return found


def filled(expression: str) -> str:
    """The expression as Grafana would send it where one looks at the last minutes."""
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "5m"), ("$scheme", "rfm")):
        expression = expression.replace(variable, value)
    return expression
