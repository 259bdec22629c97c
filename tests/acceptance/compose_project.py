"""The containers of docker-compose.yml as compose_check.py and walk.py handle them, and how they speak."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from streams.adapters.embedded.ports import find_free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("rfm-streams")
# `topics` ends by itself; these stay.
LASTING = ("kafka", "redis", "intake", "decide", "deliver")
HEALTHY_TIMEOUT_S = 300

console = Console(stderr=True)
began_s = time.monotonic()


class CheckFailedError(Exception):
    """What differs, in one line."""


class Compose:
    """The project under its own name and host ports, so that it meets no other one."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self.project = f"rfm-check-{uuid.uuid4().hex[:6]}"
        kafka_port, redis_port = find_free_port(), find_free_port()
        self.bootstrap_servers = f"localhost:{kafka_port}"
        # A person's own settings would reach the containers.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RFM_")}
        self._environment = {
            **clean,
            "RFM_HOST_KAFKA_PORT": str(kafka_port),
            "RFM_HOST_REDIS_PORT": str(redis_port),
            "RFM_HOST_INTAKE_PORT": str(find_free_port()),
            "RFM_HOST_DECIDE_PORT": str(find_free_port()),
            "RFM_HOST_DELIVER_PORT": str(find_free_port()),
            # Mails go to the webhook, too.
            "RFM_DELIVERY_TRANSPORTS": '{"*": "webhook"}',
        }
        self._outside = {
            **clean,
            "RFM_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "RFM_REDIS_URL": f"redis://localhost:{redis_port}/0",
        }

    def run(self, *arguments: str) -> str:
        """One docker-compose command; its output. Raises CheckFailedError with its last lines."""
        command = ["docker-compose", "-p", self.project, "-f", str(ROOT / "docker-compose.yml")]
        return run([*command, "--profile", self._profile, *arguments], self._environment)

    def rfm_streams(self, *arguments: str, **settings: str) -> str:
        """One rfm-streams command on this host, as a shop would use it; its output."""
        return run([str(PROGRAM), *arguments], {**self._outside, **settings})

    def person(self) -> dict[str, str]:
        """The environment of a person's shell: this project and its ports, and no setting more."""
        hosts = {
            name: one for name, one in self._environment.items() if name.startswith("RFM_HOST_")
        }
        return {**self._outside, **hosts, "COMPOSE_PROJECT_NAME": self.project}

    def container(self, service: str) -> str:
        """Give the container's id."""
        return self.run("ps", "-q", service).strip()

    def inspect(self, service: str, template: str) -> str:
        """One value of the container's description, by a Go template."""
        return docker("inspect", "--format", template, self.container(service))

    def is_healthy(self, service: str) -> bool:
        """Whether it runs and its health check passes."""
        state = self.inspect(service, "{{.State.Running}} {{.State.Health.Status}}")
        return state == "true healthy"

    def wait_healthy(self) -> None:
        """Until every service's health check passes."""
        for service in LASTING:
            wait_until(
                lambda: self.is_healthy(service),  # noqa: B023  called within this round
                HEALTHY_TIMEOUT_S,
                f"{service} is healthy",
            )


def wait_until(is_true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once `is_true()`; CheckFailedError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            message = f"waited {timeout_s:g} s in vain until {what}"
            raise CheckFailedError(message)
        time.sleep(0.5)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done, and afterwards how long it took."""
    step_began_s = time.monotonic()
    with console.status(what):
        yield
    say(f"{what}: {time.monotonic() - step_began_s:.1f} s")


def docker(*arguments: str, may_fail: bool = False) -> str:
    """One docker command; its output."""
    return run(["docker", *arguments], dict(os.environ), may_fail=may_fail)


def say(text: str) -> None:
    """One line of progress, with the seconds since the beginning."""
    console.print(f"{time.monotonic() - began_s:6.1f} s  {text}", highlight=False, soft_wrap=True)


def run(command: list[str], environment: dict[str, str], *, may_fail: bool = False) -> str:
    """One command; its standard output. Raises CheckFailedError with its last words."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode and not may_fail:
        message = f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()[-500:]}"
        raise CheckFailedError(message)
    return done.stdout.strip()
