"""Mails over a real SMTP server: what arrives, under which protection, and what an answer means."""

from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from schemas.dead_letters import Reason
from streams.adapters.embedded.ports import find_free_port
from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.channels.email import EmailChannel, SmtpServer, read_sender
from streams.deliver.channels.templates import Templates
from streams.errors import UsageError
from tests.deliver.deliveries import CLOCK, delivery, recipient, run
from tests.mailbox import PASSWORD, USER, Mailbox, MailServer, serving

SENDER = "Corner Shop <news@shop.example>"
UNSUBSCRIBE = "https://shop.example/bye?a={action_id}&c={customer_id}&w={channel}"
WRONG = "another word"
ACTION_ID = "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01"


def send(server: MailServer, one: Delivery, **changed: Any) -> str:
    """Hand one mail in."""
    said: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "tls": "none",
        "user": None,
        "password": None,
        "ca_file": None,
        "timeout_s": 5.0,
    }
    unsubscribe = changed.pop("unsubscribe", UNSUBSCRIBE)

    async def hand_in() -> str:
        channel = EmailChannel(
            SmtpServer(**(said | changed)),
            SENDER,
            Templates(None, "en", "Corner Shop"),
            unsubscribe,
            CLOCK,
        )
        await channel.open()
        try:
            return await channel.send(one)
        finally:
            await channel.close()

    return run(hand_in())


def parts_of(mail: EmailMessage) -> dict[str, str]:
    return {part.get_content_type(): part.get_content() for part in mail.iter_parts()}


def test_a_mail_arrives_as_text_and_html_with_the_headers_of_a_mailing() -> None:
    mailbox = Mailbox()
    cart = {"items": [{"sku": "mug", "name": "Müg", "quantity": 1}]}
    with serving(mailbox) as server:
        assert send(server, delivery(parameters=cart, customer_id="C/1 ü")) == "SMTP 250"
    (mail,) = mailbox.mails
    assert mail["From"] == SENDER
    assert mail["To"] == "anna@customer.example"
    assert mail["Subject"] == "You left something in your cart"
    assert mail["Message-ID"] == f"<{ACTION_ID}@shop.example>"
    assert mail["Content-Language"] == "en"
    link = f"https://shop.example/bye?a={ACTION_ID}&c=C%2F1%20%C3%BC&w=email"
    assert mail["List-Unsubscribe"] == f"<{link}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    parts = parts_of(mail)
    assert set(parts) == {"text/plain", "text/html"}
    assert all("Müg" in text and "Anna" in text for text in parts.values())
    assert link in parts["text/plain"]


def test_without_a_link_to_unsubscribe_there_is_no_such_header() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as server:
        send(server, delivery(), unsubscribe=None)
        send(server, delivery(), unsubscribe="http://shop.example/bye")
    assert mailbox.mails[0]["List-Unsubscribe"] is None
    # One click is for https only.
    assert mailbox.mails[1]["List-Unsubscribe"] == "<http://shop.example/bye>"
    assert mailbox.mails[1]["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_the_way_to_the_server_is_encrypted_and_the_server_is_who_it_says(
    tls: str, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    # The server of the test offers logins behind STARTTLS only.
    with_login = tls == "starttls"
    login = {"user": USER, "password": PASSWORD} if with_login else {}
    with serving(mailbox, tls, with_login=with_login) as server:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(server.ca_pem)
        send(server, delivery(), tls=tls, ca_file=trusted, **login)
        assert len(mailbox.mails) == 1
        # A server that nobody vouches for gets neither the login nor the mail.
        with pytest.raises(TryAgain) as failed:
            send(server, delivery(), tls=tls, **login)
        assert failed.value.code == "connection"
    assert len(mailbox.mails) == 1


def test_a_refused_login_is_about_the_settings_and_not_about_the_mail(tmp_path: Path) -> None:
    mailbox = Mailbox()
    with serving(mailbox, "starttls", with_login=True) as server:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(server.ca_pem)
        with pytest.raises(TryAgain) as failed:
            send(server, delivery(), tls="starttls", ca_file=trusted, user=USER, password=WRONG)
    assert failed.value.code == "smtp_535", failed.value.words
    assert WRONG not in f"{failed.value} {failed.value.words}"
    assert mailbox.mails == []


def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as server, pytest.raises((TryAgain, Refused)):
        send(server, delivery(), tls="starttls")
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [("550 5.1.1 <anna@customer.example> unknown", True), ("451 4.7.1 greylisted", False)],
)
@pytest.mark.parametrize("at", ["recipient", "content"])
def test_the_servers_answer_about_a_mail_counts(answer: str, is_final: bool, at: str) -> None:
    mailbox = Mailbox()
    if at == "recipient":
        mailbox.refusals["anna@customer.example"] = answer
    else:
        mailbox.content_refusal = answer
    with serving(mailbox) as server, pytest.raises((Refused, TryAgain)) as raised:
        send(server, delivery())
    error = raised.value
    assert isinstance(error, Refused) == is_final
    # What goes into outcomes and metrics names nobody.
    assert isinstance(error, Refused | TryAgain)
    assert "anna" not in error.code
    if isinstance(error, Refused):
        assert (error.code, error.reason) == ("SMTP 550", Reason.DELIVERY_REFUSED)
        assert "unknown" in error.message


def test_a_server_that_is_away_is_tried_again() -> None:
    nowhere = MailServer("127.0.0.1", find_free_port(), b"")
    with pytest.raises(TryAgain) as failed:
        send(nowhere, delivery())
    assert failed.value.code == "connection"


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "anna@",
        "@customer.example",
        "anna@customer.example\r\nBcc: all@customer.example",
        "anna@customer.example, otto@customer.example",
        "Anna <anna@customer.example>",
        "",
    ],
)
def test_what_is_no_single_address_gets_no_mail(address: str) -> None:
    mailbox = Mailbox()
    with serving(mailbox) as server, pytest.raises(Refused) as refused:
        send(server, delivery(address=address))
    assert refused.value.reason == Reason.NO_ADDRESS
    assert mailbox.mails == []


def test_a_hostile_name_stays_in_the_text() -> None:
    mailbox = Mailbox()
    evil = "Anna\r\nBcc: all@customer.example\r\n\r\n<script>"
    with serving(mailbox) as server:
        send(server, delivery(recipient=recipient(first_name=evil)))
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert "<script>" not in parts_of(mail)["text/html"]


@pytest.mark.parametrize(
    "sender", ["", "Shop", "news@", "Shop <news>", "a@b.example\r\nBcc: x@y.z"]
)
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(UsageError, match="RFM_DELIVERY_FROM"):
        read_sender(sender)
