"""The dashboards: queries that Prometheus takes, about metrics that exist, where Grafana finds them.

That real figures show in every panel is seen in tests/acceptance/test_dashboards.py.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.monitoring import (
    DASHBOARDS,
    MAY_BE_EMPTY,
    dashboard_queries,
    known_series,
    panels_of,
    series_of,
)
from tests.prometheus import ROOT, load_alerts, promtool

GRAFANA = ROOT / "deploy" / "grafana"
EVERY_DASHBOARD = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_there_are_the_three_that_the_documents_speak_of() -> None:
    assert [path.stem for path in DASHBOARDS] == ["overview", "pipeline", "segments-and-campaigns"]
    assert len({_load(path)["uid"] for path in DASHBOARDS}) == len(DASHBOARDS)


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    queries = dashboard_queries()
    rules = [
        {"record": f"panel:query:{number}", "expr": query.expression}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", path)


def test_queries_ask_for_metrics_that_exist() -> None:
    for query in dashboard_queries():
        asked = series_of(query.expression)
        assert asked, query
        assert asked <= known_series(), query


@EVERY_DASHBOARD
def test_panels_are_whole_and_lie_beside_each_other(path: Path) -> None:
    panels = list(panels_of(_load(path)))
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["targets"], panel["title"]


@EVERY_DASHBOARD
def test_panels_ask_the_source_that_is_provisioned(path: Path) -> None:
    text = (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    (source,) = yaml.safe_load(text)["datasources"]
    for panel in panels_of(_load(path)):
        for asker in [panel, *panel.get("targets", [])] if panel["type"] != "row" else []:
            assert asker["datasource"] == {"type": source["type"], "uid": source["uid"]}


@EVERY_DASHBOARD
def test_alerts_that_panels_name_exist(path: Path) -> None:
    names = {rule["alert"] for rule in load_alerts()}
    assert set(re.findall(r"\bRfm[A-Z]\w+", path.read_text(encoding="utf-8"))) <= names


def test_grafana_and_prometheus_find_their_files() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = dict(
        volume.split(":")[:2]
        for name in ("grafana", "prometheus")
        for volume in services[name]["volumes"]
    )
    provider = (GRAFANA / "provisioning" / "dashboards" / "rfm-streams.yml").read_text()
    (folder,) = (one["options"]["path"] for one in yaml.safe_load(provider)["providers"])
    assert mounts["./deploy/grafana/dashboards"] == folder
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounts["./deploy/prometheus"] == "/etc/prometheus"
    for name in ("grafana", "prometheus"):
        assert services[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_panels_that_may_be_empty_are_there() -> None:
    panels = {(query.dashboard, query.panel) for query in dashboard_queries()}
    assert MAY_BE_EMPTY.keys() <= panels
