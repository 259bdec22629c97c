"""The alert rules: valid, tried firing and silent, about metrics that exist, each with its page."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.monitoring import RUNBOOKS, known_series, series_of
from tests.prometheus import ALERTS, ROOT, load_alerts, promtool

TESTS = sorted((ALERTS.parent / "tests").glob("*.yml"))


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    said = promtool("check", "config", ALERTS.with_name("prometheus.yml"))
    assert f"{len(load_alerts())} rules found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_silent(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_every_alert_is_tried_firing_and_silent() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                (firing if case["exp_alerts"] else silent).add(case["alertname"])
    names = {rule["alert"] for rule in load_alerts()}
    assert firing == names
    assert silent == names


def test_alerts_ask_for_metrics_that_exist() -> None:
    for rule in load_alerts():
        asked = series_of(rule["expr"])
        assert asked, rule["alert"]
        assert asked <= known_series(), rule["alert"]


def test_jobs_are_those_that_are_scraped() -> None:
    """The alerts choose our processes by the names of their jobs."""
    config = yaml.safe_load(ALERTS.with_name("prometheus.yml").read_text(encoding="utf-8"))
    jobs = [one["job_name"] for one in config["scrape_configs"]]
    assert jobs == ["rfm-intake", "rfm-decide", "rfm-deliver"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    for one in config["scrape_configs"]:
        role = one["job_name"].removeprefix("rfm-")
        ((host, _, port),) = (
            target.partition(":") for place in one["static_configs"] for target in place["targets"]
        )
        assert host == role
        if role in compose["services"]:
            assert compose["services"][role]["environment"]["RFM_METRICS_PORT"] == int(port)


def test_every_alert_says_what_and_where_to_read_on() -> None:
    for rule in load_alerts():
        told = rule["annotations"]
        assert told.keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"].removeprefix("Rfm")).lower()
        assert told["runbook_url"] == f"docs/runbooks/{name}.md"


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in RUNBOOKS.glob("*.md")}
    wanted = {rule["annotations"]["runbook_url"] for rule in load_alerts()}
    assert pages - {"docs/runbooks/README.md"} == wanted


@pytest.mark.parametrize("rule", load_alerts(), ids=lambda rule: rule["alert"])
def test_a_page_answers_what_one_asks_at_night(rule: dict[str, Any]) -> None:
    text = (ROOT / rule["annotations"]["runbook_url"]).read_text(encoding="utf-8")
    assert text.startswith(f"# {rule['alert']}\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    diagnosis = text.partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert "```sh\n" in diagnosis, "a command to begin with"


def test_the_index_lists_every_page() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(([\w-]+\.md)\)", index)
    wanted = [rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in load_alerts()]
    assert sorted(listed) == sorted(wanted)
