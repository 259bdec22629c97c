"""Mails over SMTP: text and HTML, one connection each."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import aiosmtplib

from schemas.dead_letters import Reason
from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.channels.templates import Templates, Written
from streams.errors import UsageError
from streams.ports import Clock

_PERMANENT_FROM = 500
Tls = Literal["starttls", "tls", "none"]
# 587 is for submission with STARTTLS, 465 with TLS from the first byte.
PORTS: Mapping[Tls, int] = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mails are handed in. `password` never appears in an error."""

    host: str
    port: int
    tls: Tls
    user: str | None
    password: str | None
    ca_file: Path | None
    timeout_s: float


class EmailChannel:
    """Writes mails by templates and hands them to one server."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        templates: Templates,
        unsubscribe_url: str | None,
        clock: Clock,
    ) -> None:
        self._server = server
        self._sender = read_sender(sender)
        self._templates = templates
        self._unsubscribe_url = unsubscribe_url
        self._clock = clock
        self._context: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Read the certificates once."""
        if self._server.tls != "none":
            try:
                self._context = ssl.create_default_context(cafile=self._server.ca_file)
            except OSError as error:
                raise UsageError(
                    f"settings: delivery_smtp_ca_file: {error} (set RFM_DELIVERY_SMTP_CA_FILE)"
                ) from error

    async def send(self, delivery: Delivery) -> str:
        """Hand one mail in; returns the server's code."""
        mail = self._mail(delivery)
        server = self._server
        try:
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.tls == "tls",
                start_tls=server.tls == "starttls",
                tls_context=self._context,
                timeout=server.timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0]) from error
        except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPRecipientRefused) as error:
            raise _judged(error) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise Refused("smtp_not_supported", str(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            # The login, the sender, the greeting: about the settings, not about this mail. It waits
            # until a person has mended them.
            raise TryAgain(f"smtp_{error.code}", error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TryAgain("connection", str(error)) from error
        return "SMTP 250"

    async def close(self) -> None:
        """Nothing is held open."""

    def _mail(self, delivery: Delivery) -> EmailMessage:
        unsubscribe_url = self._unsubscribe(delivery)
        written = self._templates.render(delivery, unsubscribe_url)
        mail = EmailMessage(policy=SMTP)
        try:
            mail["From"] = self._sender
            mail["To"] = read_address(delivery.address or "")
            mail["Subject"] = written.subject
            mail["Date"] = format_datetime(datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC))
            # The same for every attempt: a mail that comes twice is seen to be one.
            mail["Message-ID"] = f"<{delivery.action.action_id}@{self._sender.domain}>"
            mail["Auto-Submitted"] = "auto-generated"
            if unsubscribe_url is not None:
                mail["List-Unsubscribe"] = f"<{unsubscribe_url}>"
                if unsubscribe_url.startswith("https://"):
                    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            _fill(mail, written)
            # Behind the content, which takes away whatever is said of it before.
            mail["Content-Language"] = written.language
        except (ValueError, MessageError) as error:
            raise Refused("unwritable", f"the mail cannot be written: {error}") from error
        return mail

    def _unsubscribe(self, delivery: Delivery) -> str | None:
        if self._unsubscribe_url is None:
            return None
        values = {
            "action_id": delivery.action.action_id,
            "customer_id": delivery.action.customer_id,
            "channel": delivery.channel,
        }
        return fill_url(self._unsubscribe_url, values)


def fill_url(url: str, values: Mapping[str, str]) -> str:
    """Put values into `{names}` of a URL, quoted."""
    for name, value in values.items():
        url = url.replace(f"{{{name}}}", quote(value, safe=""))
    return url


def read_sender(text: str) -> Address:
    """`Shop <news@shop.example>` or an address alone; raises `UsageError`."""
    name, _, rest = text.rpartition("<")
    try:
        address = Address(
            display_name=name.strip().strip('"'), addr_spec=rest.removesuffix(">").strip()
        )
    except (ValueError, MessageError, IndexError) as error:
        raise UsageError(
            f"settings: delivery_from: {text!r} is no address ({error}); "
            "set RFM_DELIVERY_FROM='Shop <news@shop.example>'"
        ) from error
    if not address.domain:
        raise UsageError(
            f"settings: delivery_from: {text!r} has no domain; "
            "set RFM_DELIVERY_FROM='Shop <news@shop.example>'"
        )
    return address


def read_address(text: str) -> Address:
    """A customer's address; raises `Refused` where it is none, whatever stands there."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, MessageError, IndexError) as error:
        raise Refused("no_address", f"no e-mail address: {error}", Reason.NO_ADDRESS) from error
    if not address.domain or not text.isprintable():
        raise Refused("no_address", "no e-mail address: it has no domain", Reason.NO_ADDRESS)
    return address


def _fill(mail: EmailMessage, written: Written) -> None:
    mail.set_content(written.text)
    if written.html is not None:
        mail.add_alternative(written.html, subtype="html")


def _judged(error: aiosmtplib.SMTPResponseException) -> Refused | TryAgain:
    """5xx about the recipient or the content is final, 4xx (greylisting, a full mailbox) is not."""
    if error.code >= _PERMANENT_FROM:
        return Refused(f"SMTP {error.code}", f"SMTP {error.code}: {error.message}")
    return TryAgain(f"smtp_{error.code}", error.message)
