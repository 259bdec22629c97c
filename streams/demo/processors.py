"""Intake and decide as `rfm-streams run`, a process under a guard that ends it with the demo."""

import json
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from streams.adapters.embedded.process import ServerProcess
from streams.demo.stages import Link
from streams.errors import Transient, UsageError
from streams.settings import PREFIX, Settings

_NAME: Final = "processors"
_ROLES: Final = ("intake", "decide")
_ADDRESS: Final = re.compile(r"^(intake|decide) \S+: (http://\S+)/metrics$", re.MULTILINE)
_READY_WITHIN_S: Final = 90.0
_ANSWER_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.1
# Beyond the shutdown timeout of the workers, behind which their supervisor stands with 3 s more.
_GRACE_S: Final = 5.0


class Processors:
    """The running processors."""

    def __init__(self, settings: Settings, folder: Path, owner_pid: int) -> None:
        """Start them under exactly these settings, whatever the environment says."""
        self._log = folder / f"{_NAME}.log"
        self._shutdown_s = settings.shutdown_timeout_s + _GRACE_S
        self._read = 0
        self._tail = ""
        self._failure = ""
        self._links: dict[str, Link] = {}
        self._process = ServerProcess.start(
            _NAME,
            [
                *_with_environment(environment_of(settings)),
                *[sys.executable, "-P", "-m", "streams.cli.main", "run", *_ROLES],
            ],
            folder,
            dropped_variables=tuple(name for name in os.environ if name.startswith(PREFIX)),
            owner_pid=owner_pid,
            grace_s=self._shutdown_s,
        )

    def links(self) -> list[Link]:
        """Each process with its address; a restarted one has a new address."""
        self._read_log()
        return [self._links[role] for role in _ROLES if role in self._links]

    def check(self) -> None:
        """Raise `Transient` with the cause where they have ended by themselves."""
        if not self._process.is_running:
            self._read_log()
            raise Transient(f"the demo's processors have ended. {self._failure or self._tail}")

    def wait_until_ready(self) -> None:
        """Return once all of them say that they are ready; raises `Transient` otherwise."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._are_ready():
            self.check()
            if time.monotonic() > deadline_s:
                raise Transient(
                    f"the demo's processors are not ready after {_READY_WITHIN_S:g} s. "
                    f"{self._failure or self._tail}"
                )
            time.sleep(_LOOK_EVERY_S)

    def stop(self) -> None:
        """End them in their own order, the hard way after their deadline."""
        self._process.stop(self._shutdown_s + _GRACE_S)

    def _are_ready(self) -> bool:
        links = self.links()
        return len(links) == len(_ROLES) and all(
            _answers(f"{link.url}/health/ready") for link in links
        )

    def _read_log(self) -> None:
        """Take in what was logged since the last time: addresses, and the latest error."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        text = text[: text.rfind(b"\n") + 1]  # a line that is being written comes next time
        self._read += len(text)
        for line in text.decode(errors="replace").splitlines():
            self._tail = line
            if (found := _ADDRESS.match(line)) is not None:
                role, url = found.groups()
                self._links[role] = Link(role, url)
            self._failure = _error_in(line) or self._failure


def environment_of(settings: Settings) -> dict[str, str]:
    """Give environment variables under which a program has just these settings."""
    variables = {}
    for name, value in settings.model_dump(mode="json").items():
        own = getattr(settings, name)
        if own is None:
            continue
        if isinstance(own, SecretStr):
            text = own.get_secret_value()
        elif name == "guest_customer_ids":
            text = ",".join(sorted(own))
        elif isinstance(value, str):
            text = value
        else:
            text = json.dumps(value)
        variables[f"{PREFIX}{name.upper()}"] = text
    return variables


def _with_environment(variables: Mapping[str, str]) -> list[str]:
    env = shutil.which("env")
    if env is None:
        raise UsageError("the program `env` is not on the PATH: the demo needs it")
    return [env, *(f"{name}={value}" for name, value in variables.items())]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S):  # noqa: S310 - our own process
            return True
    except (urllib.error.URLError, OSError):
        return False


def _error_in(line: str) -> str:
    """Give the cause that a JSON log line of level error names, else nothing."""
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(said, dict) or said.get("level") != "error":
        return ""
    trace = str(said.get("exception", "")).strip().splitlines()
    return str(said.get("cause") or (trace[-1] if trace else ""))
