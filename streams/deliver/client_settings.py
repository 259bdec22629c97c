"""Settings of RFM_KAFKA, which go by librdkafka's names, for the client under Faust."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.errors import UsageError

_SECURE: Final = frozenset({"ssl", "sasl_ssl"})
_WITH_LOGIN: Final = frozenset({"sasl_plaintext", "sasl_ssl"})
_MECHANISMS: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
# Ours, and what the other client has no use for.
_SILENT: Final = frozenset({"bootstrap.servers", "client.id", "logger", "log_level"})
_READ: Final = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
_MUST_NOT_BE_LOST: Final = ("ssl.", "sasl.", "enable.ssl", "enable.sasl")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What the client connects by; `left_out` are settings that mean nothing to it."""

    servers: tuple[str, ...]
    login: tuple[str, str, str] | None
    context: ssl.SSLContext | None
    left_out: tuple[str, ...]


def read_client_settings(kafka: Mapping[str, Any]) -> ClientSettings:
    """The same cluster, the same login; raises `UsageError` where that cannot be said."""
    security = str(kafka.get("security.protocol", "plaintext")).lower()
    if security not in {"plaintext", *_SECURE, *_WITH_LOGIN}:
        raise _unknown("security.protocol", security)
    left_out = sorted(set(kafka) - _READ - _SILENT - {"log.connection.close"})
    for name in left_out:
        if name.startswith(_MUST_NOT_BE_LOST):
            raise UsageError(
                f"settings: kafka: the delivery stage cannot connect by {name}; it knows "
                f"{', '.join(sorted(_READ))} (set RFM_KAFKA)"
            )
    return ClientSettings(
        tuple(one.strip() for one in str(kafka["bootstrap.servers"]).split(",") if one.strip()),
        _login(kafka) if security in _WITH_LOGIN else None,
        _context(kafka) if security in _SECURE else None,
        tuple(left_out),
    )


def _login(kafka: Mapping[str, Any]) -> tuple[str, str, str]:
    """Mechanism, user and password."""
    mechanism = str(kafka.get("sasl.mechanism", kafka.get("sasl.mechanisms", ""))).upper()
    if mechanism not in _MECHANISMS:
        raise _unknown("sasl.mechanism", mechanism)
    return mechanism, str(kafka.get("sasl.username", "")), str(kafka.get("sasl.password", ""))


def _context(kafka: Mapping[str, Any]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
        if (certificate := kafka.get("ssl.certificate.location")) is not None:
            context.load_cert_chain(
                certificate, kafka.get("ssl.key.location"), kafka.get("ssl.key.password")
            )
    except OSError as error:
        raise UsageError(f"settings: kafka: certificates: {error} (set RFM_KAFKA)") from error
    if str(kafka.get("ssl.endpoint.identification.algorithm", "https")).lower() == "none":
        context.check_hostname = False
    if str(kafka.get("enable.ssl.certificate.verification", "true")).lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unknown(name: str, value: str) -> UsageError:
    return UsageError(
        f"settings: kafka: the delivery stage does not know {name}={value!r} (set RFM_KAFKA)"
    )
