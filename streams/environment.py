"""Environment variables beside the settings proper: secrets in files, and names that mean nothing."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from streams.errors import UsageError

PREFIX: Final = "RFM_"
# As the images of databases have it: `RFM_KAFKA_PASSWORD_FILE=/run/secrets/kafka_password`.
FILE_SUFFIX: Final = "_FILE"
# A key is well under 1 KiB; somebody who names a log file by mistake should be told.
MAX_SECRET_BYTES: Final = 64 * 1024
# Read elsewhere: by the embedded broker, by the tests and benchmarks, by docker-compose.yml.
_ELSEWHERE: Final = frozenset(
    {
        "RFM_BENCH_PROFILE",
        "RFM_HYPOTHESIS_PROFILE",
        "RFM_MAVEN_REPOSITORY",
        "RFM_SHARED_DATA",
        "RFM_SOAK_SEED",
    }
)
_ELSEWHERE_PREFIXES: Final = ("RFM_HOST_", "RFM_TEST_")
# Below this a name is another word, not a misspelt one.
_LIKENESS: Final = 0.6


def read_secret_files(secrets: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Secrets by their setting's name, out of the files that `RFM_NAME_FILE` name.

    A line break at the end is not part of a secret. Raises `UsageError`, which names variable and
    file, never what stands in it.
    """
    given = {name.upper(): value for name, value in environment.items()}
    found: dict[str, str] = {}
    for secret in secrets:
        variable = f"{PREFIX}{secret}".upper()
        path = given.get(f"{variable}{FILE_SUFFIX}")
        if path is None:
            continue
        if variable in given:
            raise UsageError(
                f"settings: {variable} and {variable}{FILE_SUFFIX} are both set: unset one of them"
            )
        found[secret] = _read(f"{variable}{FILE_SUFFIX}", Path(path))
    return found


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise UsageError(f"settings: {variable}: {path}: {error.strerror}") from None
    if len(content) > MAX_SECRET_BYTES:
        raise UsageError(
            f"settings: {variable}: {path} is larger than {MAX_SECRET_BYTES // 1024} KiB, which no "
            "secret is: name the file with the secret alone"
        )
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError(f"settings: {variable}: {path} is not UTF-8 text") from None
    if not text:
        raise UsageError(f"settings: {variable}: {path} is empty")
    return text


def unknown_variables(
    settings: Collection[str], secrets: Collection[str], environment: Iterable[str]
) -> dict[str, str | None]:
    """Variables that begin as ours do and set nothing, with the known name that is most like each."""
    known = {f"{PREFIX}{name}".upper() for name in settings}
    known |= {f"{PREFIX}{name}{FILE_SUFFIX}".upper() for name in secrets}
    unknown: dict[str, str | None] = {}
    for name in sorted(environment):
        upper = name.upper()
        # `RFM_KAFKA__...` sets one entry of a table.
        if not upper.startswith(PREFIX) or {upper, upper.partition("__")[0]} & known:
            continue
        if upper in _ELSEWHERE or upper.startswith(_ELSEWHERE_PREFIXES):
            continue
        close = difflib.get_close_matches(upper, known, n=1, cutoff=_LIKENESS)
        unknown[name] = close[0] if close else None
    return unknown
