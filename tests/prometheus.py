"""Prometheus and promtool for tests: from the PATH, or once by apt-get into this user's cache.

There is no wheel of either.
"""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.adapters.embedded.ports import find_free_port
from tests.debian import fetch
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
PACKAGE = "prometheus"
START_S = 60.0
ADVICE = (
    "install Debian's package prometheus (apt-get install prometheus), or put the programs "
    "prometheus and promtool on the PATH"
)


def find_program(name: str) -> Path:
    """Give `prometheus` or `promtool`; the first call of a user may fetch some 19 MB.

    Fails the test, with what to install, where there is neither program nor apt-get.
    """
    on_path = shutil.which(name)
    if on_path is not None:
        return Path(on_path)
    return fetch(PACKAGE, f"usr/bin/{name}", ADVICE) / "usr" / "bin" / name


def promtool(*arguments: str | Path) -> str:
    """Run promtool; its output. Fails the test with it where promtool complains."""
    ran = subprocess.run(
        [find_program("promtool"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode != 0:
        pytest.fail(f"promtool {' '.join(map(str, arguments))}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def load_alerts() -> list[dict[str, Any]]:
    """The rules of alerts.yml."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


class Prometheus:
    """A running Prometheus that scrapes `targets`, addresses by job, every second."""

    def __init__(self, folder: Path, rules: Mapping[str, Any] | None = None) -> None:
        self._folder = folder
        self._port = find_free_port()
        self._rules = rules or {"groups": []}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, targets: Mapping[str, Sequence[str]]) -> None:
        """Start on fresh data and return once it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in targets.items()
            ],
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self._folder / "rules.yml").write_text(yaml.safe_dump(dict(self._rules)))
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    find_program("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(self._is_ready, START_S, "Prometheus is ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of a query as of now."""
        answer = self._get("/api/v1/query", query=expression)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self._get("/api/v1/alerts")["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            pytest.fail((self._folder / "prometheus.log").read_text()[-2_000:])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{parameters}: {error.read().decode()}")
        return found


@contextmanager
def prometheus(
    folder: Path,
    targets: Mapping[str, Sequence[str]],
    rules: Mapping[str, Any] | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus that is gone at the end."""
    server = Prometheus(folder, rules)
    try:
        server.start(targets)
        yield server
    finally:
        server.stop()
