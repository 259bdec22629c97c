"""RFM_KAFKA, by librdkafka's names, for the client under Faust."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from streams.deliver.client_settings import read_client_settings
from streams.errors import UsageError

SERVERS = {"bootstrap.servers": "kafka-1:9092, kafka-2:9092", "client.id": "rfm-main"}


def test_the_servers_are_the_same() -> None:
    found = read_client_settings(SERVERS)
    assert found.servers == ("kafka-1:9092", "kafka-2:9092")
    assert (found.login, found.context, found.left_out) == (None, None, ())


def test_login_and_certificates_are_the_same(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("rfm")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    found = read_client_settings(
        {
            **SERVERS,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "rfm",
            "sasl.password": "hidden",
            "ssl.ca.location": str(tmp_path / "ca.pem"),
            "ssl.certificate.location": str(tmp_path / "own.pem"),
        }
    )
    assert found.login == ("SCRAM-SHA-512", "rfm", "hidden")
    assert found.context is not None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.check_hostname


@pytest.mark.parametrize(
    ("changed", "verifies", "checks_name"),
    [
        ({"ssl.endpoint.identification.algorithm": "none"}, ssl.CERT_REQUIRED, False),
        ({"enable.ssl.certificate.verification": "false"}, ssl.CERT_NONE, False),
    ],
)
def test_checks_are_as_strict_as_they_were_asked_to_be(
    changed: dict[str, Any], verifies: ssl.VerifyMode, checks_name: bool
) -> None:
    found = read_client_settings({**SERVERS, "security.protocol": "ssl", **changed})
    assert found.context is not None
    assert (found.context.verify_mode, found.context.check_hostname) == (verifies, checks_name)


def test_what_only_the_other_client_knows_is_told() -> None:
    found = read_client_settings({**SERVERS, "socket.keepalive.enable": "true", "logger": None})
    assert found.left_out == ("socket.keepalive.enable",)


@pytest.mark.parametrize(
    "changed",
    [
        {"security.protocol": "kerberos"},
        {"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"},
        {"ssl.keystore.location": "/a.p12"},
        {"security.protocol": "ssl", "ssl.ca.location": "/nowhere.pem"},
    ],
)
def test_a_connection_that_cannot_be_the_same_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="RFM_KAFKA"):
        read_client_settings({**SERVERS, **changed})
