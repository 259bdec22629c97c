"""A mail server that keeps what it is given: real SMTP, with TLS and logins where a test wants."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.waiting import wait_until

USER, PASSWORD = "shop", "a password"


@dataclass(slots=True)
class Mailbox:
    """Mails as they came. `refusals` maps an address to the answer that its mails get."""

    mails: list[EmailMessage] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    content_refusal: str | None = None

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the server's name for it
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or not."""
        if self.content_refusal is not None:
            return self.content_refusal
        assert isinstance(envelope.content, bytes)
        found: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(found)
        return "250 2.0.0 OK: queued"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where a mailbox is served, and whom to trust."""

    host: str
    port: int
    ca_pem: bytes


@contextmanager
def serving(
    mailbox: Mailbox, tls: str = "none", *, with_login: bool = False
) -> Iterator[MailServer]:
    """Serve a mailbox: `tls` is none, starttls (wanted from everybody) or tls."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    def login(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    controller = Controller(
        mailbox,
        hostname="localhost",
        port=_free_port(),
        ssl_context=context if tls == "tls" else None,
        tls_context=context if tls == "starttls" else None,
        require_starttls=tls == "starttls",
        auth_required=with_login,
        auth_require_tls=tls == "starttls",
        authenticator=login if with_login else None,
    )
    controller.start()
    watched = _sockets(controller)
    try:
        yield MailServer("localhost", controller.port, authority.cert_pem.bytes())
    finally:
        # Handshakes that failed included, or their sockets are left open when the loop ends.
        wait_until(lambda: _sockets(controller) <= watched, 10, "every client is gone")
        controller.stop()


def _sockets(controller: Controller) -> int:
    """How many sockets the server's loop looks after; those of clients among them."""
    loop: Any = controller.loop
    return len(loop._selector.get_map())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])
