"""The folder that a back-test writes: every action and suppression, and the figures."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.currencies import MINOR_DIGITS
from streams.backtest.figures import Figures, Findings
from streams.backtest.rule_sets import RuleSet
from streams.codec.text import format_instant, format_money
from streams.errors import UsageError

ACTIONS = "actions.csv"
SUPPRESSED = "suppressed.csv"
SUMMARY = "summary.csv"
SUMMARY_JSON = "summary.json"
ONLY_ONE = "only_one.csv"
ACTION_COLUMNS = (
    "rule_set",
    "customer_id",
    "campaign",
    "step",
    "decided_at",
    "due_at",
    "template",
    "voucher_class",
    "control_group",
    "called_off",
    "purchase_7d",
    "net_7d",
)
SUPPRESSED_COLUMNS = (
    "rule_set",
    "customer_id",
    "campaign",
    "step",
    "reason",
    "detail",
    "decided_at",
)
SUMMARY_COLUMNS = (
    "rule_set",
    "campaign",
    "sent",
    "customers",
    "controls",
    "called_off",
    "suppressed",
    "suppressed_by_reason",
    "sent_followed",
    "sent_bought",
    "sent_bought_percent",
    "controls_followed",
    "controls_bought",
    "controls_bought_percent",
    "all_customers_percent",
    "orders_after",
    "net_after",
    "currency",
)
ONLY_ONE_COLUMNS = ("rule_set", "customer_id", "actions", "campaigns", "first_decided_at")


class BacktestFolder:
    """Writes the files of one back-test; the same figures give the same bytes."""

    def __init__(self, path: Path, rule_sets: Sequence[RuleSet], currency: str) -> None:
        self.path = path
        self._names = [one.name for one in rule_sets]
        self._currency = currency
        self._digits = MINOR_DIGITS[currency]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {path}: {error.strerror}") from error

    def save_rows(self, findings: Findings) -> None:
        """Write actions and suppressions, and where two sets are compared whom one alone addresses."""
        self._write(ACTIONS, ACTION_COLUMNS, self._actions(findings))
        self._write(SUPPRESSED, SUPPRESSED_COLUMNS, self._suppressions(findings))
        if len(self._names) > 1:
            self._write(ONLY_ONE, ONLY_ONE_COLUMNS, self._only_one(findings))

    def save_summary(
        self, figures: Sequence[Mapping[str, Figures]], document: Mapping[str, Any]
    ) -> None:
        """Write the figures per campaign, and `document` with them as JSON."""
        rows = [
            self._summary(name, one)
            for name, known in zip(self._names, figures, strict=True)
            for one in known.values()
        ]
        self._write(SUMMARY, SUMMARY_COLUMNS, rows)
        campaigns = {
            name: {one.campaign: self._figures(one) for one in known.values()}
            for name, known in zip(self._names, figures, strict=True)
        }
        text = json.dumps({**document, "campaigns": campaigns}, indent=2, ensure_ascii=False)
        self._open(SUMMARY_JSON).write_text(text + "\n", encoding="utf-8")

    def _actions(self, findings: Findings) -> Iterable[Sequence[object]]:
        for one in findings.followed():
            known = one.orders is not None and one.net_minor is not None
            yield (
                self._names[one.set_no],
                one.customer_id,
                one.campaign,
                one.step,
                format_instant(one.decided_ms),
                format_instant(one.due_ms),
                one.template,
                one.voucher,
                _truth(one.is_control),
                one.called_off,
                _truth(bool(one.orders)) if known else "",
                self._money(one.net_minor) if one.net_minor is not None else "",
            )

    def _suppressions(self, findings: Findings) -> Iterable[Sequence[object]]:
        for one in findings.suppressions():
            yield (
                self._names[one.set_no],
                one.customer_id,
                one.campaign,
                one.step,
                one.reason,
                one.detail,
                format_instant(one.decided_ms),
            )

    def _only_one(self, findings: Findings) -> Iterable[Sequence[object]]:
        for one in findings.only_one():
            first = format_instant(one.first_decided_ms)
            name = self._names[one.set_no]
            yield name, one.customer_id, one.actions, one.campaigns, first

    def _summary(self, name: str, one: Figures) -> Sequence[object]:
        return (
            name,
            one.campaign,
            one.sent,
            one.customers,
            one.controls,
            one.called_off,
            sum(one.suppressed.values()),
            "|".join(f"{reason}={count}" for reason, count in sorted(one.suppressed.items())),
            one.sent_share.actions,
            one.sent_share.bought,
            one.sent_share.percent,
            one.control_share.actions,
            one.control_share.bought,
            one.control_share.percent,
            one.base_percent,
            one.orders_after,
            self._money(one.net_after_minor),
            self._currency,
        )

    def _figures(self, one: Figures) -> dict[str, Any]:
        return {
            "sent": one.sent,
            "customers": one.customers,
            "controls": one.controls,
            "called_off": one.called_off,
            "suppressed": dict(sorted(one.suppressed.items())),
            "bought_within_7d": {
                "sent": _share(one.sent_share.actions, one.sent_share.bought),
                "controls": _share(one.control_share.actions, one.control_share.bought),
                "all_customers_percent": one.base_percent,
            },
            "orders_after": one.orders_after,
            "net_after": self._money(one.net_after_minor),
        }

    def _money(self, amount_minor: int) -> str:
        return format_money(amount_minor, self._digits)

    def _write(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        with self._open(name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    def _open(self, name: str) -> Path:
        return self.path / name


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _share(actions: int, bought: int) -> dict[str, int]:
    return {"actions": actions, "bought": bought}
