"""Writes broker_jars.txt anew from Maven: `python -m streams.adapters.embedded.pin`.

To be run by a person who changes the broker's version, and looked through before it is committed.
"""

import sys
import tempfile
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver

from streams.adapters.embedded.jars import PINNED_LIST, ROOTS, Jar, digest_file

HEADER = "# SHA-256, bytes and Maven coordinate of every jar that the embedded broker runs.\n"
RUNTIME_SCOPES = (None, "compile", "runtime")


def fetch_resolution(work_dir: Path) -> list[Jar]:
    """Resolve the roots with all that they need at run time and digest every jar."""
    context = MavenContext(resolver=PythonResolver(), repo_cache=work_dir)
    roots, needed = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
    jars = []
    for dependency in [*roots, *(each for each in needed if each.scope in RUNTIME_SCOPES)]:
        path = dependency.artifact.resolve()
        coordinate = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
        jars.append(Jar(coordinate, path.stat().st_size, digest_file(path)))
    return sorted(jars, key=lambda jar: jar.coordinate)


def main() -> None:
    """Resolve, write, and say how many."""
    with tempfile.TemporaryDirectory() as work_dir:
        jars = fetch_resolution(Path(work_dir))
    lines = [f"{jar.sha256} {jar.size_bytes} {jar.coordinate}\n" for jar in jars]
    PINNED_LIST.write_text(HEADER + "".join(lines))
    total = sum(jar.size_bytes for jar in jars)
    sys.stdout.write(f"{PINNED_LIST}: {len(jars)} jars, {total} bytes\n")


if __name__ == "__main__":
    main()
