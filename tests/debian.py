"""Programs that there is no wheel of, out of Debian's packages: into this user's cache, once.

A package needs neither installation nor root: it is fetched, checked by apt as any other, and
unpacked.
"""

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from streams.adapters.embedded.jars import default_cache_dir

FETCH_TIMEOUT_S = 240


def fetch(package: str, program: str, advice: str, *, dependencies: bool = False) -> Path:
    """The folder of an unpacked package that has `program`, a path in it.

    With `dependencies` what the package needs and this machine lacks is unpacked into the same
    folder. Fails the test with `advice` where it cannot be had.
    """
    folder = default_cache_dir() / package
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{package}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / program).exists():
            _fetch(package, folder, advice, dependencies=dependencies)
    return folder


def _fetch(package: str, folder: Path, advice: str, *, dependencies: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=folder.parent) as name:
        incoming = Path(name)
        failure = _download(package, incoming, [], dependencies=dependencies)
        if failure is not None:
            # The machine's own package lists may be missing or old; without root one has others.
            own = _own_lists(incoming)
            failure = _run(incoming, "apt-get", "update", *own)
            failure = failure or _download(package, incoming, own, dependencies=dependencies)
        unpacked = incoming / "unpacked"
        for found in sorted(incoming.glob("*.deb")):
            failure = failure or _run(incoming, "dpkg-deb", "--extract", found, unpacked)
        if failure is not None:
            pytest.fail(f"{package} is not here and could not be fetched ({failure}): {advice}")
        shutil.rmtree(folder)
        unpacked.rename(folder)


def _own_lists(incoming: Path) -> list[str]:
    lists, cache = incoming / "lists", incoming / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    return ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]


def _download(package: str, folder: Path, options: list[str], *, dependencies: bool) -> str | None:
    if not dependencies:
        return _run(folder, "apt-get", "download", *options, package)
    (folder / "partial").mkdir(exist_ok=True)
    into = ["-o", f"Dir::Cache::archives={folder}", "-o", "Debug::NoLocking=1"]
    wanted = ["install", "--download-only", "--no-install-recommends", "--yes", package]
    return _run(folder, "apt-get", *options, *into, *wanted)


def _run(folder: Path, name: str, *arguments: str | Path) -> str | None:
    """Run a program of Debian's; why it failed, None where it did not."""
    program = shutil.which(name)
    if program is None:
        return f"there is no {name}"
    try:
        ran = subprocess.run(
            [program, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} took longer than {FETCH_TIMEOUT_S} s"
    return None if ran.returncode == 0 else f"{name}: {' '.join(ran.stderr.split())[-300:]}"
