from pathlib import Path

import pytest

from streams.runtime.cycle import ORDER
from tests.soak.harness import Worker, install, settle
from tests.soak.journal import append, draw_events
from tests.soak.reading import Reading
from tests.soak.worker import Point


@pytest.mark.parametrize("step", ORDER)
def test_try(step: str, kafka: str, redis_url: str, namespace: str, tmp_path: Path) -> None:
    installation = install(namespace, kafka, redis_url, tmp_path)
    append(installation.settings, draw_events(1, 300, 8))
    first = Worker(installation, "decide", "a", crash_at=Point(step, 2))
    first.wait_for_crash()
    with Reading(installation.settings) as reading:
        workers = [Worker(installation, "decide", "a")]
        settle(installation, reading, workers)
        found = reading.complaints()
        print(reading.summary())
        print(first.log.read_text())
    assert found == []
