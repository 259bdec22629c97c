"""A broker and a Redis as a shop would have them: TLS, logins, and nothing allowed that is not said.

The broker takes SASL over TLS (SCRAM-SHA-512 for logins, PLAIN for itself) under Kafka's own
authorizer; Redis listens on TLS alone. Their superuser is the tests' own.
"""

import json
import shlex
import shutil
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import trustme
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from streams.adapters.embedded import EmbeddedKafka
from streams.adapters.embedded.ports import find_free_port
from streams.adapters.embedded.process import ServerProcess
from streams.errors import Transient
from tests.debian import fetch

ROOT_PASSWORD = "hush-root"  # noqa: S105 - of servers that live as long as a test
START_S = 60.0
TIMEOUT_S = 20.0
ADVICE = (
    "install a redis-server that speaks TLS (Debian's package redis-server does; "
    "apt-get install redis-server)"
)
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
}


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority (`ca`), and a server's certificate and key, in files of their own and in one."""

    ca: Path
    chain: Path
    key: Path
    both: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        """For 127.0.0.1 and localhost."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        # Kafka reads keys in PKCS #8 only.
        key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
        made = cls(*(folder / name for name in ("ca.pem", "chain.pem", "key.pem", "both.pem")))
        authority.cert_pem.write_to_path(made.ca)
        chain = b"".join(one.bytes() for one in leaf.cert_chain_pems)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made.chain.write_bytes(chain)
        made.key.write_bytes(text)
        made.both.write_bytes(text + chain)
        return made


class SecuredKafka:
    """The broker, its superuser, and what is allowed on it."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        root = self.client("root", ROOT_PASSWORD, "PLAIN")
        self._broker = EmbeddedKafka.start(
            folder, properties=_broker_properties(certificates), client=root
        )
        self.servers = self._broker.bootstrap_servers
        # Quiet: it outlives the broker.
        self._admin = AdminClient({**root, "bootstrap.servers": self.servers, "log_level": 0})

    def client(
        self, user: str, password: str | None, mechanism: str = "SCRAM-SHA-512"
    ) -> dict[str, str]:
        """Settings of a client by librdkafka's names; without a password where that is None."""
        login = {"sasl.password": password} if password is not None else {}
        return {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "ssl.ca.location": str(self.certificates.ca),
            **login,
        }

    def add_user(self, user: str, password: str) -> None:
        """A login by SCRAM-SHA-512."""
        known = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        one = UserScramCredentialUpsertion(user, known, password.encode())
        for future in self._admin.alter_user_scram_credentials([one]).values():
            future.result(TIMEOUT_S)

    def allow(self, lines: Iterable[str]) -> None:
        """Do what lines for kafka-acls.sh say."""
        bindings = [binding for line in lines for binding in bindings_of(line)]
        for future in self._admin.create_acls(bindings).values():
            future.result(TIMEOUT_S)

    def forbid(self, user: str, name: str, operation: str) -> None:
        """Take one permission on one topic away."""
        any_host: Any = None  # which the client takes, and its types do not
        found = AclBindingFilter(
            ResourceType.TOPIC,
            name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            any_host,
            _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        (future,) = self._admin.delete_acls([found]).values()
        assert len(future.result(TIMEOUT_S)) == 1, f"{user} had no {operation} on {name}"

    def stop(self) -> None:
        """End the broker."""
        self._broker.stop()


def bindings_of(line: str) -> list[AclBinding]:
    """The permissions that one call of kafka-acls.sh gives, read by its own options."""
    program, *arguments = shlex.split(line)
    assert program == "kafka-acls.sh"
    options = _acl_options().parse_args(arguments)
    pattern = ResourcePatternType[options.resource_pattern_type.upper()]
    return [
        AclBinding(
            kind, name, pattern, options.allow_principal, "*", _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for attribute, kind in _RESOURCES.items()
        for name in getattr(options, attribute)
        for operation in options.operation
    ]  # fmt: skip


def _acl_options() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False)
    for name in ("bootstrap-server", "command-config", "allow-principal"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--operation", action="append", choices=_OPERATIONS, required=True)
    parser.add_argument(
        "--resource-pattern-type", choices=("literal", "prefixed"), default="literal"
    )
    for name in ("topic", "group", "transactional-id"):
        parser.add_argument(f"--{name}", action="append", default=[])
    return parser


def _broker_properties(certificates: Certificates) -> dict[str, str]:
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="root" password="{ROOT_PASSWORD}" user_root="{ROOT_PASSWORD}";'
    )
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listener.security.protocol.map": "CONTROLLER:SASL_SSL,CLIENTS:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": plain,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # What is not allowed is refused, as is Kafka's default with an authorizer.
        "allow.everyone.if.no.acl.found": "false",
        "super.users": "User:root",
    }


class SecuredRedis:
    """A Redis on TLS alone, and its users."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        self.port = find_free_port()
        self._process = self._launch(folder)
        self._root = self._client()

    def url(self, user: str, password: str) -> str:
        """For a user, who trusts our authority."""
        query = f"?ssl_ca_certs={self.certificates.ca}"
        return f"rediss://{user}:{password}@127.0.0.1:{self.port}/0{query}"

    def run(self, line: str) -> Any:
        """Run a command as redis-cli would, as superuser."""
        root: Any = self._root
        return root.execute_command(*shlex.split(line))

    def refusals(self) -> list[str]:
        """What was refused until now, of what users asked for: the commands."""
        said = cast("list[dict[str, Any]]", self._root.acl_log())
        return [str(one["object"]) for one in said if one["reason"] != "auth"]

    def stop(self) -> None:
        """End the server."""
        self._root.close()
        self._process.stop()

    def _launch(self, folder: Path) -> ServerProcess:
        failures = []
        for find in (_on_path, _from_debian):
            found = find()
            if found is None:
                continue
            program, libraries = found
            try:
                return self._start(folder / find.__name__, program, libraries)
            except Transient as error:
                # One without TLS ends at once.
                failures.append(str(error))
        pytest.fail(f"no redis-server that speaks TLS: {ADVICE}\n" + "\n".join(failures))

    def _start(self, folder: Path, program: str, libraries: Path | None) -> ServerProcess:
        command = [
            *(("env", f"LD_LIBRARY_PATH={libraries}") if libraries is not None else ()),
            *(program, "--bind", "127.0.0.1", "--port", "0", "--tls-port", str(self.port)),
            *("--tls-cert-file", str(self.certificates.chain)),
            *("--tls-key-file", str(self.certificates.key)),
            *("--tls-ca-cert-file", str(self.certificates.ca), "--tls-auth-clients", "no"),
            *("--requirepass", ROOT_PASSWORD, "--save", "", "--maxmemory-policy", "noeviction"),
        ]
        process = ServerProcess.start("redis", command, folder)
        process.wait_until_ready(self._answers, START_S)
        return process

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url("default", ROOT_PASSWORD), decode_responses=True)

    def _answers(self) -> bool:
        with self._client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


def _on_path() -> tuple[str, Path | None] | None:
    found = shutil.which("redis-server")
    return (found, None) if found is not None else None


def _from_debian() -> tuple[str, Path | None]:
    folder = fetch("redis-server", "usr/bin/redis-server", ADVICE, dependencies=True)
    libraries = next(folder.glob("usr/lib/*-linux-*"), folder)
    return str(folder / "usr" / "bin" / "redis-server"), libraries


def environment_of(kafka: SecuredKafka, store: SecuredRedis, user: str) -> dict[str, str]:
    """The settings of whoever logs in as `user`, whose password is made of the name."""
    return {
        "RFM_KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
        "RFM_KAFKA": json.dumps(kafka.client(user, None)),
        "RFM_KAFKA_PASSWORD": password_of(user),
        "RFM_REDIS_URL": store.url(user, password_of(user)),
    }


def password_of(user: str) -> str:
    """A password that can be searched for."""
    return f"hush-{user}"
