"""The delivery stage under kills: a mix of actions, workers that die, and what must be true after.

Workers are forked from a server that has imported everything, as in `harness.py`: a start costs
little more than joining the group.
"""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from multiprocessing.process import BaseProcess
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from streams.codec.text import format_instant
from streams.core.values import stable_id
from streams.logs import configure_logging
from streams.processes.stop import Stop
from streams.processes.worker import Worker, run_worker
from streams.settings import Settings, load_settings
from tests.integration.deliver_rig import (
    DeliverRig,
    Reported,
    action,
    cancellation,
    customer,
    now_ms,
    webhook_environment,
)
from tests.mailbox import Mailbox, MailServer
from tests.receiver import Receiver

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["streams.deliver.process"])

# The receiver's clock is ours; between our last look and its own lie a few steps of one process.
TOLERANCE_MS = 2_000
BATCH = 50


def live(environment: dict[str, str], number: int) -> None:
    """One life of a worker, as the supervisor's child lives it, until it is killed."""
    settings = settings_of(environment)
    worker = Worker(role="deliver", number=number, place=number)
    configure_logging(settings, role=worker.role, instance=worker.instance(settings))
    stop = Stop(settings.shutdown_timeout_s)
    os._exit(run_worker(settings, worker, stop, prepare_first=False))


def settings_of(environment: dict[str, str]) -> Settings:
    """Settings from these variables alone."""
    os.environ.update(environment, RFM_LOG_LEVEL="warning", RFM_METRICS_PORT="0")
    return load_settings()


class Workers:
    """Workers by number, each in a process of its own."""

    def __init__(self, environment: dict[str, str], count: int) -> None:
        self._environment = environment
        self._lives: dict[int, BaseProcess] = {}
        self.kills = 0
        for number in range(count):
            self._start(number)

    def kill(self, dice: random.Random) -> None:
        """SIGKILL one of them, and another life under the same name."""
        number = dice.choice(list(self._lives))
        life = self._lives[number]
        assert life.pid is not None
        self.check()
        os.kill(life.pid, signal.SIGKILL)
        life.join()
        self.kills += 1
        self._start(number)

    def check(self) -> None:
        """Fail where one ended by itself."""
        for number, life in self._lives.items():
            assert life.is_alive(), f"worker {number} ended by itself with {life.exitcode}"

    def end(self) -> None:
        """Kill all."""
        for life in self._lives.values():
            life.kill()
            life.join()

    def _start(self, number: int) -> None:
        life = _CONTEXT.Process(target=live, args=(self._environment, number), daemon=True)
        life.start()
        self._lives[number] = life


@dataclass(slots=True)
class Mix:
    """Actions by what must become of them; each list holds action ids. `mailed` are among `plain`."""

    plain: list[str] = field(default_factory=list)
    mailed: list[str] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    without_address: list[str] = field(default_factory=list)
    valid_until_ms: dict[str, int] = field(default_factory=dict)

    def with_outcome(self) -> set[str]:
        """All but the controls."""
        return {
            *self.plain,
            *self.expired,
            *self.short,
            *self.cancelled,
            *self.without_address,
        }


class Post(Mailbox):
    """Mails go to the same receiver, each under the action id in its Message-ID."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver

    async def handle_DATA(  # noqa: N802 - the server's name for it
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Hand a mail on; what the receiver answers, in the words of SMTP."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        key = mail["Message-ID"].strip("<>").partition("@")[0]
        status = await asyncio.to_thread(self._receiver.act, key, {"subject": mail["Subject"]})
        match status:
            case 202:
                return "250 2.0.0 OK: queued"
            case None:
                return "421 4.3.2 not now"
            case _:
                return "451 4.3.0 try again"


def environment_of(base: dict[str, str], url: str, post: MailServer) -> dict[str, str]:
    """Settings by which text messages go to the webhook and mails to the mail server."""
    return {
        **base,
        **webhook_environment(url),
        "RFM_DELIVERY_TRANSPORTS": '{"email": "email", "*": "webhook"}',
        "RFM_DELIVERY_SMTP_HOST": post.host,
        "RFM_DELIVERY_SMTP_PORT": str(post.port),
        "RFM_DELIVERY_SMTP_TLS": "none",
        "RFM_DELIVERY_FROM": "Corner Shop <news@shop.example>",
        "RFM_DELIVERY_RATE_PER_S": '{"webhook": 1000, "email": 1000}',
    }


def publish_mix(rig: DeliverRig, count: int, dice: random.Random, *, by_mail: bool = True) -> Mix:
    """Publish `count` actions in transactions, every few of which are aborted first.

    One in four is for a mail address. Without a mail server (`by_mail`) those too go to the webhook.
    """
    mix = Mix()
    rig.know(
        customer(f"C-{number}", phone="+49 30 1234", **({"email": ""} if number % 40 == 7 else {}))
        for number in range(count)
    )
    for first in range(0, count, BATCH):
        batch = [
            one
            for number in range(first, min(count, first + BATCH))
            for one in _kind(number, mix, by_mail)
        ]
        if dice.random() < 0.3:
            # What decide gave up: other ids, which nobody may ever see.
            rig.publish(
                [{**one, "action_id": f"aborted-{one['action_id']}"} for one in batch], commit=False
            )
        rig.publish(batch)
    return mix


def _kind(number: int, mix: Mix, by_mail: bool) -> list[dict[str, Any]]:
    action_id = stable_id("test", str(number))
    at_ms = now_ms()
    until_ms = at_ms + 3_600_000
    is_mail = number % 4 == 3
    changed: dict[str, Any] = {"channels": ["email" if is_mail else "sms"]}
    following: list[dict[str, Any]] = []
    match number % 20:
        case 1:
            mix.controls.append(action_id)
            changed["control_group"] = True
        case 2:
            mix.expired.append(action_id)
            until_ms = at_ms - 1
        case 3:
            mix.short.append(action_id)
            until_ms = at_ms + 8_000
        case 4:
            mix.cancelled.append(action_id)
            following.append(cancellation(number))
        case _ if number % 40 == 7:
            mix.without_address.append(action_id)
        case _:
            mix.plain.append(action_id)
            if is_mail and by_mail:
                mix.mailed.append(action_id)
    mix.valid_until_ms[action_id] = until_ms
    return [action(number, valid_until=format_instant(until_ms), **changed), *following]


def run_kills(
    workers: Workers,
    receiver: Receiver,
    total: int,
    kills: int,
    dice: random.Random,
    between: Callable[[int], None] = lambda kill: None,
) -> None:
    """Kill workers, spread over the way from nothing to everything acted on."""
    for kill in range(kills):
        goal = total * (kill + 1) // (kills + 2)
        deadline_s = time.monotonic() + 120
        while len(receiver.acted) < goal:
            workers.check()
            assert time.monotonic() < deadline_s, f"{len(receiver.acted)} of {goal} acted on"
            time.sleep(0.02)
        time.sleep(dice.random() * 0.3)
        workers.kill(dice)
        between(kill)


def complaints(mix: Mix, receiver: Receiver, reported: list[Reported]) -> list[str]:
    """What is not as it must be, in words; empty where all is well."""
    found: list[str] = []
    outcomes: defaultdict[str, set[str]] = defaultdict(set)
    for one in reported:
        outcomes[one.action_id].add(f"{one.outcome} {one.detail.partition(':')[0]}".strip())
        if one.event_id != stable_id("delivery.reported", one.action_id, one.channel, one.outcome):
            found.append(f"{one.action_id}: the event's id does not follow from what it says")
    mailed = set(mix.mailed)
    by_webhook = [one for one in mix.plain if one not in mailed]
    found += _unlike(outcomes, by_webhook, {"sent HTTP 202"}, "by webhook")
    found += _unlike(outcomes, mix.mailed, {"sent SMTP 250"}, "by mail")
    found += _unlike(outcomes, mix.expired, {"failed expired"}, "expired")
    found += _unlike(outcomes, mix.cancelled, {"failed cancelled"}, "cancelled")
    found += _unlike(outcomes, mix.without_address, {"failed no_address"}, "without address")
    found += [f"short {one}: no outcome" for one in mix.short if not outcomes[one]]
    found += [f"control {one}: {outcomes[one]}" for one in mix.controls if outcomes[one]]
    known = mix.valid_until_ms.keys()
    found += [f"{one}: nobody asked for it" for one in receiver.acted.keys() - known]
    for group, name in (
        (mix.controls, "control"),
        (mix.expired, "expired"),
        (mix.cancelled, "cancelled"),
        (mix.without_address, "without address"),
    ):
        found += [f"{name} {one}: requested" for one in group if receiver.requests[one]]
    found += [f"plain {one}: never acted on" for one in mix.plain if one not in receiver.acted]
    found += [
        f"{one}: came {arrived_ms - mix.valid_until_ms[one]} ms after valid_until"
        for one, arrived_ms in receiver.arrived_ms.items()
        if one in known and arrived_ms > mix.valid_until_ms[one] + TOLERANCE_MS
    ]
    return found


def summary(mix: Mix, receiver: Receiver, reported: list[Reported]) -> str:
    """Figures of a run."""
    said = Counter(f"{one.outcome} {one.detail.partition(':')[0]}" for one in reported)
    return (
        f"{len(mix.valid_until_ms)} actions, {len(receiver.acted)} acted on by "
        f"{sum(receiver.requests.values())} requests; outcomes {dict(said)}, "
        f"{len(reported) - len({one.event_id for one in reported})} of them told again"
    )


def _unlike(
    outcomes: dict[str, set[str]], ids: list[str], wanted: set[str], name: str
) -> list[str]:
    return [f"{name} {one}: {outcomes[one]}" for one in ids if outcomes[one] != wanted]
