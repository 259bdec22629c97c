"""Every role under its own login on servers that allow nothing else: TLS, SASL and ACLs for real.

What each login may do is exactly what `rfm-streams topics acl` prints.
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import redis

from streams.adapters.access import ROLES
from streams.adapters.embedded import EmbeddedRedis
from streams.adapters.kafka.names import Names
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import RedisStateStore, connect
from streams.errors import Denied
from streams.ports import StoreWrite
from tests import servers
from tests.command_line import Ran, run_command
from tests.integration.deliver_rig import webhook_environment
from tests.integration.policy import POLICY
from tests.integration.running import Run, running
from tests.receiver import SECRET, Receiver, listening
from tests.secured import (
    ROOT_PASSWORD,
    Certificates,
    SecuredKafka,
    SecuredRedis,
    environment_of,
    password_of,
)
from tests.waiting import wait_until

WAIT_S = 60.0
CUSTOMER = "C-1"
CAMPAIGN = """
name: thanks
version: 1
priority: 10
channels: [email]
trigger: {event: order.placed}
armed: true
control: 0%
exits: {events: []}
guard: {actions: 10000, per: 1h, share: 100%}
steps: [{name: thanks, after: 0s, template: thanks, valid_for: 1d}]
"""
FROM_TO = ("--from", "2026-01-01T00:00:00Z", "--to", "2036-01-01T00:00:00Z")
# What a connection of the client says besides; it can do without an answer.
UNASKED = {"client", "client|setinfo", "client|maint_notifications"}

# Each under the role that the table gives it; `marketing` has two.
COMMANDS = (
    ("topics", ["topics", "describe"]),
    ("rules", ["rules", "show"]),
    ("rules", ["campaigns", "pause", "thanks"]),
    ("rules", ["campaigns", "resume", "thanks"]),
    ("rules", ["campaigns", "disarm", "thanks"]),
    ("marketing", ["campaigns", "arm", "thanks", "--yes"]),
    ("status", ["status"]),
    ("insight", ["export"]),
    ("insight", ["inspect", CUSTOMER]),
    ("insight", ["explain", CUSTOMER]),
    ("insight", ["segments"]),
    ("insight", ["segments", "history", CUSTOMER]),
    ("insight", ["segments", "flow", *FROM_TO]),
    ("insight", ["segments", "coverage"]),
    ("insight", ["thresholds"]),
    ("insight", ["thresholds", "--exact"]),
    ("insight", ["thresholds", "suggest"]),
    ("insight", ["campaigns", "list"]),
    ("insight", ["campaigns", "show", "thanks"]),
    ("insight", ["campaigns", "check"]),
    ("insight", ["campaigns", "dry-run", "thanks"]),
    ("insight", ["campaigns", "preview", "thanks", CUSTOMER]),
    ("insight", ["campaigns", "outcomes"]),
    ("dead-letters", ["dead-letters", "list"]),
    ("dead-letters", ["dead-letters", "retry", "--yes"]),
    ("rebuild", ["redis", "rebuild", "--now", "--yes"]),
)


@dataclass(frozen=True, slots=True)
class Installation:
    """One namespace on the secured servers, with a login per role."""

    kafka: SecuredKafka
    store: SecuredRedis
    namespace: str
    rules: Path

    def settings(self) -> dict[str, str]:
        """What every login has in common."""
        return {
            "RFM_NAMESPACE": self.namespace,
            "RFM_PARTITIONS": "2",
            "RFM_METRICS_PORT": "0",
            "RFM_LOG_FORMAT": "json",
            "RFM_RULES_DIR": str(self.rules),
            "RFM_CONSENT_UNKNOWN": '{"email": "allow"}',
            "RFM_KAFKA_BOOTSTRAP_SERVERS": self.kafka.servers,
        }

    def user(self, name: str) -> str:
        """A login of this installation."""
        return f"{self.namespace}-{name}"

    def login(self, name: str, **changed: str) -> dict[str, str]:
        """The settings under a login."""
        environment = environment_of(self.kafka, self.store, self.user(name))
        return {**self.settings(), **environment, **changed}

    def topic(self, name: str) -> str:
        """A topic's name on the broker."""
        return Names(self.namespace, 1).topic(name)

    def lines(self, *roles: str, name: str) -> list[str]:
        """What `topics acl` prints for roles under one login."""
        asked = [part for role in roles for part in ("--role", role)]
        principal = ("--principal", f"User:{self.user(name)}")
        ran = run_command(self.settings(), "topics", "acl", *asked, *principal)
        assert ran.code == 0, ran.err
        return [line for line in ran.out.splitlines() if not line.startswith("#")]

    def admit(self, *roles: str, name: str, without: str = "") -> None:
        """Make a login and allow it what its roles need, `without` the lines that have this word."""
        user = self.user(name)
        lines = [
            line for line in self.lines(*roles, name=name) if not without or without not in line
        ]
        self.kafka.add_user(user, password_of(user))
        self.kafka.allow(line for line in lines if line.startswith("kafka-acls.sh"))
        of_redis = [line for line in lines if line.startswith("ACL")]
        for line in of_redis:
            self.store.run(line)
        if of_redis:
            self.store.run(f"ACL SETUSER {user} '>{password_of(user)}'")

    def prepare(self) -> None:
        """Topics and the first rules, each made by the login whose affair it is."""
        for name, command in (("topics", "create"), ("rules", "apply")):
            ran = run_command(self.login(name), name, command)
            assert ran.code == 0, ran.err


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="secured-", dir=servers.run_dir()))
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    return Certificates.make(folder / "certificates")


@pytest.fixture(scope="module")
def secured_kafka(folder: Path, certificates: Certificates) -> Iterator[SecuredKafka]:
    broker = SecuredKafka(folder / "kafka", certificates)
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def secured_redis(folder: Path, certificates: Certificates) -> Iterator[SecuredRedis]:
    server = SecuredRedis(folder / "redis", certificates)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rules(folder: Path) -> Path:
    """One campaign that thanks at once, at any hour."""
    found = folder / "rules"
    (found / "campaigns").mkdir(parents=True)
    (found / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (found / "campaigns" / "thanks.yaml").write_text(CAMPAIGN, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def shop(secured_kafka: SecuredKafka, secured_redis: SecuredRedis, rules: Path) -> Installation:
    """An installation in which every role has its login."""
    found = Installation(secured_kafka, secured_redis, f"s{uuid.uuid4().hex[:8]}", rules)
    for role in ROLES:
        found.admit(role.name, name=role.name)
    found.admit("rules", "insight", name="marketing")
    found.prepare()
    return found


class Alive(NamedTuple):
    """Processes at work, and what a webhook got of them."""

    runs: list[Run]
    acted: dict[str, tuple[dict[str, Any], int]]


@pytest.fixture(scope="module")
def alive(shop: Installation, folder: Path) -> Iterator[Alive]:
    """The three processes, after an order that was published meanwhile."""
    receiver = Receiver()
    with ExitStack() as stack:
        url = stack.enter_context(listening(receiver))
        runs = [
            stack.enter_context(running([role], shop.login(role, **more), folder))
            for role, more in (
                ("intake", {}),
                ("decide", {}),
                ("deliver", webhook_environment(url)),
            )
        ]
        for run, role in zip(runs, ("intake", "decide", "deliver"), strict=True):
            run.wait_ready(f"{role} main-0")
        ran = publish(shop, shop.login("shop"), folder, 1)
        assert ran.code == 0, ran.err
        wait_until(lambda: bool(receiver.acted), WAIT_S, "the webhook gets an action")
        yield Alive(runs, receiver.acted)
        for run in runs:
            assert run.end() == 0
            assert not trouble_of(run)


def trouble_of(run: Run) -> list[dict[str, Any]]:
    """Log lines that a person should look at."""
    return [line for line in map(json.loads, list(run.err)) if line["level"] == "error"]


def publish(shop: Installation, environment: dict[str, str], folder: Path, number: int) -> Ran:
    """Send a customer with an address, and an order of hers."""
    now = datetime.now(UTC).isoformat()
    common = {"customer_id": CUSTOMER, "occurred_at": now}
    events: list[dict[str, Any]] = [
        {
            "type": "customer.updated",
            "event_id": f"u-{number}",
            **common,
            "attributes": {"email": "anna@customer.example"},
        },
        {
            "type": "order.placed",
            "event_id": f"o-{number}",
            **common,
            "order_id": f"O-{number}",
            "currency": "EUR",
            "total": "40.00",
        },
    ]
    path = folder / f"{shop.namespace}-{number}.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in events), encoding="utf-8")
    return run_command(environment, "publish", str(path))


def last_words(run: Run) -> str:
    """Why a run ended by itself."""
    return str(run.logged("cannot run")[-1]["cause"])


# -- what the table allows is enough -------------------------------------------------------------


def test_an_order_goes_in_and_an_action_out_under_three_logins(
    shop: Installation, alive: Alive
) -> None:
    ((message, _),) = list(alive.acted.values())
    assert message["action"]["campaign"] == "thanks"
    assert message["recipient"]["address"] == "anna@customer.example"
    status = ""

    def all_read() -> bool:
        nonlocal status
        ran = run_command(shop.login("status"), "status", "--json")
        assert ran.code == 0, ran.err
        status = ran.out
        found = json.loads(ran.out)
        return not any(one["lag"] for one in (*found["partitions"], *found["intake"]))

    # What became of the action came back as an event and was decided, too.
    wait_until(all_read, WAIT_S, f"everything is decided: {status}")


def test_processes_listen_on_this_machine_alone_unless_set(alive: Alive) -> None:
    listening = {
        connection.laddr.ip
        for run in alive.runs
        for connection in psutil.Process(run.process.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_processes_log_nobodys_data_and_no_secret(shop: Installation, alive: Alive) -> None:
    for run in alive.runs:
        told = "\n".join([*run.out, *run.err])
        assert told
        for word in ("anna@customer.example", CUSTOMER, "O-1", "40.00"):
            assert word not in told
        assert_no_secret(shop, told)


def test_every_command_runs_under_its_role(shop: Installation, alive: Alive) -> None:
    del alive  # there is a customer to look at
    failed = {}
    for role, arguments in COMMANDS:
        ran = run_command(shop.login(role), *arguments)
        # Where nothing was counted or told yet, a command says so: that is no refusal.
        if ran.code != 0 and "yet" not in ran.err:
            failed[" ".join(arguments)] = ran.err
    assert failed == {}
    assert set(shop.store.refusals()) <= UNASKED


# -- what it does not allow is refused, and said -------------------------------------------------


def test_a_command_under_another_role_says_what_it_lacks(shop: Installation) -> None:
    ran = run_command(shop.login("shop"), "export")
    assert ran.code == 2
    assert shop.topic("rfm.state") in ran.err
    assert "rfm-streams topics acl" in ran.err


def test_a_permission_that_is_missing_at_the_start_ends_the_process_and_is_named(
    shop: Installation, tmp_path: Path
) -> None:
    name, topic = "deliver-less", shop.topic("marketing.deliveries")
    shop.admit("deliver", name=name)
    shop.kafka.forbid(shop.user(name), topic, "Write")
    environment = shop.login(name, **webhook_environment("http://127.0.0.1:9/"))
    with running(["deliver"], {**environment, "RFM_INSTANCE": name}, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        said = last_words(run)
    assert f"this login: Write of topic {topic}." in said
    assert f"topics acl --role deliver --principal User:{shop.user(name)}" in said


def test_permissions_that_are_taken_away_end_the_processes_that_need_them(
    secured_kafka: SecuredKafka, secured_redis: SecuredRedis, rules: Path, tmp_path: Path
) -> None:
    own = Installation(secured_kafka, secured_redis, f"s{uuid.uuid4().hex[:8]}", rules)
    taken = (("intake", "rfm.journal"), ("decide", "marketing.actions"))
    for role in ("topics", "rules", "shop", "intake", "decide"):
        own.admit(role, name=role)
    own.prepare()
    with ExitStack() as stack:
        runs = {
            role: stack.enter_context(running([role], own.login(role), tmp_path))
            for role, _ in reversed(taken)
        }
        for role, run in runs.items():
            run.wait_ready(f"{role} main-0")
        own.kafka.forbid(own.user("decide"), own.topic("marketing.actions"), "Write")
        assert publish(own, own.login("shop"), tmp_path, 1).code == 0
        assert runs["decide"].wait(WAIT_S) == 2
        assert f"Write of topic {own.topic('marketing.actions')}" in last_words(runs["decide"])
        own.kafka.forbid(own.user("intake"), own.topic("rfm.journal"), "Write")
        assert publish(own, own.login("shop"), tmp_path, 2).code == 0
        assert runs["intake"].wait(WAIT_S) == 2
        assert f"Write of topic {own.topic('rfm.journal')}" in last_words(runs["intake"])


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ("--transactional-id", "{namespace}.rfm.decide.g1.less-0"),
        (".rfm.decide.g1", "{namespace}.rfm.decide.g1"),
    ],
    ids=["transactional id", "group"],
)
def test_a_missing_group_or_transactional_id_is_named(
    shop: Installation, tmp_path: Path, without: str, named: str
) -> None:
    name = f"decide-{uuid.uuid4().hex[:4]}"
    shop.admit("decide", name=name, without=without)
    with running(["decide"], shop.login(name, RFM_INSTANCE="less"), tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        said = last_words(run)
    assert named.format(namespace=shop.namespace) in said
    assert "rfm-streams topics acl" in said


def test_redis_commands_that_are_missing_end_the_process_and_are_named(
    shop: Installation, tmp_path: Path
) -> None:
    shop.admit("decide", name="decide-unscripted")
    shop.store.run(f"ACL SETUSER {shop.user('decide-unscripted')} -evalsha")
    environment = shop.login("decide-unscripted", RFM_INSTANCE="unscripted")
    with running(["decide"], environment, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        said = last_words(run)
    assert "evalsha" in said
    assert "rfm-streams topics acl" in said


@pytest.mark.parametrize("server", ["redis", "valkey"])
def test_a_command_that_is_missing_within_a_script_is_a_refusal_too(
    shop: Installation, private_redis: EmbeddedRedis, server: str
) -> None:
    user = shop.user("scripter")
    rules = "reset on ~* +ping +evalsha +script|load +hget +hmget"
    line = f"ACL SETUSER {user} {rules} '>{password_of(user)}'"
    if server == "redis":
        shop.store.run(line)
        url = shop.store.url(user, password_of(user))
    else:
        with redis.Redis.from_url(private_redis.url) as client:
            client.acl_setuser(
                user,
                enabled=True,
                keys=["*"],
                passwords=[f"+{password_of(user)}"],
                commands=["+ping", "+evalsha", "+script|load", "+hget", "+hmget"],
            )
        url = private_redis.url.replace("//", f"//{user}:{password_of(user)}@")
    store = RedisStateStore(connect(url), Keys(shop.namespace), shop.namespace)
    with pytest.raises(Denied, match="rfm-streams topics acl"):
        store.apply(StoreWrite(7, 0, 1, [("C-1", b"x")], [], b"record", None))


def test_first_rules_that_nobody_journaled_are_asked_for(
    secured_kafka: SecuredKafka, secured_redis: SecuredRedis, rules: Path, tmp_path: Path
) -> None:
    own = Installation(secured_kafka, secured_redis, f"s{uuid.uuid4().hex[:8]}", rules)
    for role in ("topics", "intake"):
        own.admit(role, name=role)
    assert run_command(own.login("topics"), "topics", "create").code == 0
    with running(["intake"], own.login("intake"), tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        assert "rfm-streams rules apply" in last_words(run)


# -- connections that are refused ----------------------------------------------------------------


def refused(shop: Installation, folder: Path, what: str) -> dict[str, str]:
    """The settings of role status, with one thing wrong."""
    stranger = Certificates.make(folder / "stranger").ca
    user, root = shop.user("status"), shop.kafka
    url = shop.store.url(user, password_of(user))
    changed = {
        "wrong password": {"RFM_KAFKA_PASSWORD": "hush-wrong"},
        "untrusted certificate": {
            "RFM_KAFKA": json.dumps({**root.client(user, None), "ssl.ca.location": str(stranger)})
        },
        "plain client": {"RFM_KAFKA": "{}"},
        "no login": {
            "RFM_KAFKA": json.dumps(
                {"security.protocol": "ssl", "ssl.ca.location": str(root.certificates.ca)}
            )
        },
        "wrong password of Redis": {"RFM_REDIS_URL": shop.store.url(user, "hush-wrong")},
        "untrusted certificate of Redis": {
            "RFM_REDIS_URL": url.replace(str(root.certificates.ca), str(stranger))
        },
        "plain client of Redis": {
            "RFM_REDIS_URL": url.replace("rediss://", "redis://").partition("?")[0]
        },
    }
    return {**shop.login("status"), **changed[what]}


REFUSED = [
    ("wrong password", 2, "refuses the login", "RFM_KAFKA_PASSWORD"),
    ("untrusted certificate", 2, "is not trusted", "ssl.ca.location"),
    ("plain client", 1, "does not answer", "security.protocol"),
    ("no login", 1, "does not answer", "security.protocol"),
    ("wrong password of Redis", 2, "refuses the login", "RFM_REDIS_URL"),
    ("untrusted certificate of Redis", 2, "is not trusted", "ssl_ca_certs"),
    ("plain client of Redis", 1, "does not answer", "rediss://"),
]


@pytest.mark.parametrize(
    ("what", "code", "said", "advice"), REFUSED, ids=[one[0] for one in REFUSED]
)
def test_a_refused_connection_says_why_and_what_to_do(
    shop: Installation, tmp_path: Path, what: str, code: int, said: str, advice: str
) -> None:
    ran = run_command(refused(shop, tmp_path, what), "status")
    assert (ran.code, said in ran.err, advice in ran.err) == (code, True, True), ran.err
    assert ran.err.count("\n") == 1
    assert_no_secret(shop, ran.out + ran.err)


@pytest.mark.parametrize(
    ("what", "advice"),
    [
        ("wrong password", "RFM_KAFKA_PASSWORD"),
        ("wrong password of Redis", "RFM_REDIS_URL"),
    ],
)
def test_a_process_whose_login_is_refused_ends_and_says_so(
    shop: Installation, tmp_path: Path, what: str, advice: str
) -> None:
    environment = {**refused(shop, tmp_path, what), "RFM_LOG_LEVEL": "debug"}
    with running(["intake"], environment, tmp_path) as run:
        assert run.wait(WAIT_S) == 2
        assert advice in last_words(run)
    assert_no_secret(shop, "\n".join([*run.out, *run.err]))


def test_clients_that_tell_everything_tell_no_secret(
    shop: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    client = shop.kafka.client(shop.user("status"), None)
    environment = shop.login("status", RFM_KAFKA=json.dumps({**client, "debug": "all"}))
    ran = run_command({**environment, "RFM_LOG_LEVEL": "debug"}, "status")
    assert ran.code == 0, ran.err
    told = capfd.readouterr()
    assert "sasl.username" in told.err
    assert_no_secret(shop, told.out + told.err + ran.out + ran.err)


def test_a_process_without_tls_says_why_it_waits(shop: Installation, tmp_path: Path) -> None:
    with running(["intake"], refused(shop, tmp_path, "plain client"), tmp_path) as run:
        wait_until(lambda: bool(run.logged("trying again")), WAIT_S, "it says that it waits")
        assert "security.protocol" in run.logged("trying again")[0]["cause"]
        run.end()


def assert_no_secret(shop: Installation, text: str) -> None:
    """Fail where any password of these servers is told."""
    for secret in (ROOT_PASSWORD, SECRET, "hush-wrong", password_of(shop.namespace)):
        assert secret not in text
