"""The cache of broker jars: whole, checked, repaired, and fetched once by several processes."""

import functools
import hashlib
import http.server
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.adapters.embedded.jars import Jar, load_broker_jars, load_pinned_jars
from streams.errors import Transient, UsageError

CONTENTS = {"one": b"first jar" * 1_000, "two": b"second jar" * 50_000, "three": b"third"}


class Mirror(NamedTuple):
    """A Maven repository on this machine: its address, its files, and how often each was asked."""

    url: str
    folder: Path
    requests: Counter[str]


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """Serve three small jars in Maven's layout."""
    folder = tmp_path / "mirror"
    for artifact, content in CONTENTS.items():
        place = folder / "shop" / "parts" / artifact / "1.0"
        place.mkdir(parents=True)
        (place / f"{artifact}-1.0.jar").write_bytes(content)
    requests: Counter[str] = Counter()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            requests[self.path] += 1

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Mirror(f"http://127.0.0.1:{server.server_port}", folder, requests)
    server.shutdown()
    thread.join()
    server.server_close()


JARS = tuple(
    Jar(f"shop.parts:{artifact}:1.0", len(content), hashlib.sha256(content).hexdigest())
    for artifact, content in CONTENTS.items()
)


def load(cache_dir: Path, repository_url: str) -> list[bytes]:
    """Give the content of every jar, through the cache."""
    paths = load_broker_jars(cache_dir, jars=JARS, repository_url=repository_url)
    return [path.read_bytes() for path in paths]


def test_the_committed_list_holds_the_broker_and_its_parts() -> None:
    jars = load_pinned_jars()
    coordinates = [jar.coordinate for jar in jars]
    assert "org.apache.kafka:kafka_2.13:4.3.0" in coordinates
    assert "org.slf4j:slf4j-simple:1.7.36" in coordinates
    assert len(jars) == len({jar.file_name for jar in jars}) == 46
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_a_first_start_fetches_and_the_next_one_asks_nobody(tmp_path: Path, mirror: Mirror) -> None:
    assert load(tmp_path / "cache", mirror.url) == list(CONTENTS.values())
    asked = mirror.requests.total()
    assert load(tmp_path / "cache", mirror.url) == list(CONTENTS.values())
    assert mirror.requests.total() == asked


def test_half_and_damaged_files_are_fetched_again_and_remains_removed(
    tmp_path: Path, mirror: Mirror
) -> None:
    cache_dir = tmp_path / "cache"
    half, damaged, whole = load_broker_jars(cache_dir, jars=JARS, repository_url=mirror.url)
    half.write_bytes(half.read_bytes()[:100])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    abandoned = half.parent / "incoming-killed"
    (abandoned / "deep").mkdir(parents=True)
    mirror.requests.clear()

    assert load(cache_dir, mirror.url) == list(CONTENTS.values())
    assert not any(whole.name in path for path in mirror.requests)
    assert not list(half.parent.glob("incoming-*"))


def test_other_bytes_than_the_pinned_ones_never_enter_the_cache(
    tmp_path: Path, mirror: Mirror
) -> None:
    forged = mirror.folder / "shop" / "parts" / "two" / "1.0" / "two-1.0.jar"
    forged.write_bytes(b"forged jar" * 50_000)
    with pytest.raises(UsageError, match=r"shop\.parts:two:1\.0.*SHA-256"):
        load(tmp_path / "cache", mirror.url)
    assert not list((tmp_path / "cache").rglob("two-1.0.jar"))


def test_without_network_the_error_says_what_to_do(tmp_path: Path, mirror: Mirror) -> None:
    with pytest.raises(Transient, match="RFM_MAVEN_REPOSITORY"):
        load(tmp_path / "cache", f"{mirror.url}/nowhere")


def test_an_interrupted_fetch_continues_with_what_is_missing(
    tmp_path: Path, mirror: Mirror
) -> None:
    hidden = mirror.folder / "shop" / "parts" / "two"
    hidden.rename(mirror.folder / "hidden")
    with pytest.raises(Transient):
        load(tmp_path / "cache", mirror.url)
    (mirror.folder / "hidden").rename(hidden)
    assert load(tmp_path / "cache", mirror.url) == list(CONTENTS.values())


def test_several_first_starts_at_once_fetch_each_jar_once(tmp_path: Path, mirror: Mirror) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        answers = pool.starmap(load, [(tmp_path / "cache", mirror.url)] * 3, chunksize=1)
        pool.close()
        pool.join()
    assert answers == [list(CONTENTS.values())] * 3
    jars_asked = {path: n for path, n in mirror.requests.items() if path.endswith(".jar")}
    assert sorted(jars_asked.values()) == [1, 1, 1]
