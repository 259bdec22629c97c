"""The broker's jars: fetched once by Maven coordinates, checked by SHA-256 on every start.

`broker_jars.txt` is the committed list of what runs; `python -m streams.adapters.embedded.pin`
writes it anew. The cache is `$XDG_CACHE_HOME/rfm-streams` (default `~/.cache`), shared by all
processes of a user: one fetches under a lock, a file appears there only whole and checked.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.adapters.embedded.progress import show_progress
from streams.errors import Transient, UsageError

KAFKA_VERSION = "4.3.0"
ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
PINNED_LIST = Path(__file__).with_name("broker_jars.txt")
REPOSITORY_VARIABLE = "RFM_MAVEN_REPOSITORY"
PARALLEL_FETCHES = 4
ATTEMPTS = 3
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar. `coordinate` is group:artifact:version."""

    coordinate: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The jar's name, as in any Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def load_pinned_jars(path: Path = PINNED_LIST) -> tuple[Jar, ...]:
    """Give the committed list. Lines are `sha256 bytes coordinate`; `#` starts a comment."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return tuple(
        Jar(coordinate, int(size), digest) for digest, size, coordinate in map(str.split, lines)
    )


def default_cache_dir() -> Path:
    """Return our cache folder of this user, by the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME") or ""
    base = Path(root) if Path(root).is_absolute() else Path.home() / ".cache"
    return base / "rfm-streams"


def load_broker_jars(
    cache_dir: Path | None = None,
    *,
    jars: Sequence[Jar] | None = None,
    repository_url: str | None = None,
) -> list[Path]:
    """Return the broker's jars, whole and checked; fetch those that are missing or damaged.

    `repository_url` (default: RFM_MAVEN_REPOSITORY, else Maven Central) is for networks that reach
    only a mirror. Raises Transient where a jar cannot be fetched, UsageError where its bytes are
    not the pinned ones or jgo is not installed.
    """
    wanted = load_pinned_jars() if jars is None else tuple(jars)
    folder = (cache_dir or default_cache_dir()) / f"kafka-{KAFKA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        missing = [jar for jar in wanted if not _is_whole(folder / jar.file_name, jar)]
        if missing:
            _fetch(missing, folder, repository_url or os.environ.get(REPOSITORY_VARIABLE))
    return [folder / jar.file_name for jar in wanted]


def digest_file(path: Path) -> str:
    """Give the file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(path: Path, jar: Jar) -> bool:
    return (
        path.is_file() and path.stat().st_size == jar.size_bytes and digest_file(path) == jar.sha256
    )


def _fetch(missing: Sequence[Jar], folder: Path, repository_url: str | None) -> None:
    for abandoned in folder.glob("incoming-*"):  # of a fetch that was killed; we hold the lock
        shutil.rmtree(abandoned)
    incoming = Path(tempfile.mkdtemp(prefix="incoming-", dir=folder))
    total_bytes = sum(jar.size_bytes for jar in missing)
    title = f"fetching Apache Kafka {KAFKA_VERSION}, once ({len(missing)} files)"
    pool = ThreadPoolExecutor(PARALLEL_FETCHES)
    try:
        with show_progress(title, total_bytes) as advance:
            fetches = [pool.submit(_fetch_one, jar, incoming, repository_url) for jar in missing]
            for fetch in as_completed(fetches):
                jar, path = fetch.result()
                path.replace(folder / jar.file_name)
                advance(jar.size_bytes)
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(incoming)


def _fetch_one(jar: Jar, incoming: Path, repository_url: str | None) -> tuple[Jar, Path]:
    """Fetch into a repository of its own: jgo takes any file that is there for a whole one."""
    try:
        import requests
        from jgo.maven import MavenContext, PythonResolver
    except ImportError:
        message = "the embedded Kafka broker is not installed: install rfm-streams[embedded]"
        raise UsageError(message) from None
    failure = ""
    for attempt in range(ATTEMPTS):
        context = MavenContext(
            resolver=PythonResolver(),
            repo_cache=incoming / f"{jar.file_name}.{attempt}",
            remote_repos=None if repository_url is None else {"mirror": repository_url},
            timeout=TIMEOUT_S,
        )
        try:
            path = context.create_dependency(jar.coordinate).artifact.resolve()
        except (requests.RequestException, RuntimeError, OSError) as error:
            failure = f"{type(error).__name__}: {error}"
            continue
        if _is_whole(path, jar):
            return jar, path
        failure = f"its SHA-256 is {digest_file(path)}, {jar.sha256} is wanted"
    message = (
        f"could not fetch {jar.coordinate} for the embedded Kafka broker in {ATTEMPTS} attempts "
        f"({failure}). Check the network, or name a mirror of Maven Central in "
        f"{REPOSITORY_VARIABLE}"
    )
    raise (UsageError if failure.startswith("its SHA-256") else Transient)(message)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the kernel releases it when the holder dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
