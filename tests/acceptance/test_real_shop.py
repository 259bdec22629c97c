"""A real shop's year, three ways: in memory, on real Kafka and Redis, and by an independent oracle.

The same events in disorder and with repetitions must give the same customers.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.oracle.compare import differences
from tests.acceptance.oracle.disorder import disorder
from tests.acceptance.oracle.duckdb_facts import write_customers_csv
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RFM_SHARED_DATA", ROOT.parent / "shared" / "data"))
UCI = SHARED / "uci_online_retail_2010-12_2011-12.csv.gz"
# Half a year behind the end of the file, so that the clock alone has moved many customers.
UNTIL, UNTIL_MS = "2012-06-09T12:50:00Z", 1_339_246_200_000
DRAIN_S = 120
COMMAND = [str(Path(sys.executable).with_name("rfm-streams"))]

pytestmark = [
    pytest.mark.skipif(not UCI.is_file(), reason=f"the shop's file is not at {UCI}"),
    pytest.mark.xdist_group("real_shop"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop's events as JSON Lines, in order and in disorder."""
    from streams.files.mapping import load_mapping
    from streams.files.reading import read_events

    found = tmp_path_factory.mktemp("shop")
    mapping = load_mapping(ROOT / "examples" / "uci.yaml")
    with (found / "ordered.jsonl").open("wb") as file, read_events([UCI], mapping) as events:
        for event in events:
            file.write(event.value + b"\n")
    disorder(found / "ordered.jsonl", found / "disorder.jsonl", seed=7)
    return found


@pytest.fixture
def environment(kafka: str, redis_url: str, namespace: str) -> dict[str, str]:
    """Settings of an installation of this test's own."""
    return {
        **os.environ,
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "RFM_REDIS_URL": redis_url,
        "RFM_NAMESPACE": namespace,
        "RFM_BASE_CURRENCY": "GBP",
        "RFM_CLOCK": "event",
        "RFM_METRICS_PORT": "0",
        "RFM_PARTITIONS": "4",
    }


@pytest.fixture
def processors(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Intake and two deciders, running."""
    log = tmp_path / "run.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "run", "--workers", "2"], env=environment, stdout=file, stderr=file
        )
    yield log
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, log.read_text()


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# In order it is in test_all_schemes.py too, which is quicker: each scheme, at three instants.
@pytest.mark.soak
@pytest.mark.parametrize("variant", ["disorder", "ordered"])
def test_replay_equals_the_oracle(
    variant: str, folder: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    source = folder / f"{variant}.jsonl"
    _run(environment, "replay", str(source), "--until", UNTIL, "--out", str(tmp_path / "out"))
    expected = tmp_path / "oracle.csv"
    count = write_customers_csv(source, UNTIL_MS, expected, base_currency="GBP")
    assert count == 4371
    assert differences(tmp_path / "out" / "customers.csv", expected) == []
    shutil.copy(tmp_path / "out" / "customers.csv", folder / f"{variant}.csv")


@pytest.mark.timeout(280)
# In disorder the two minutes more are left to the long tests.
@pytest.mark.parametrize("variant", ["ordered", pytest.param("disorder", marks=pytest.mark.soak)])
def test_kafka_and_redis_equal_the_oracle(
    variant: str,
    folder: Path,
    tmp_path: Path,
    environment: dict[str, str],
    processors: Path,
) -> None:
    source = folder / f"{variant}.jsonl"
    _run(environment, "topics", "create")
    _run(environment, "publish", str(source), "--until", UNTIL)

    def arrived() -> bool:
        status = json.loads(_run(environment, "status", "--json"))
        times = [one["time"] for one in status["partitions"]]
        return all(time == UNTIL.replace("Z", ".000Z") for time in times)

    wait_until(arrived, DRAIN_S, f"every partition's time is {UNTIL}: {processors.read_text()}")
    found, expected = tmp_path / "customers.csv", tmp_path / "oracle.csv"
    _run(environment, "export", "--out", str(found), "--at", UNTIL)
    write_customers_csv(source, UNTIL_MS, expected, base_currency="GBP")
    assert differences(found, expected) == []
