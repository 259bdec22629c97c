"""Webhooks against a real receiver: what is sent, how it is signed, what an answer means."""

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from streams.adapters.embedded.ports import find_free_port
from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.channels.signature import read_secret, sign
from streams.deliver.channels.webhook import WebhookChannel
from streams.errors import UsageError
from tests.contract.documents import blocks, read_page
from tests.deliver.deliveries import CLOCK, delivery, recipient, run
from tests.receiver import SECRET, Receiver, is_signed, listening

BODY = {"action_id": "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01", "template": "ü", "parameters": {}}
KEY = "7e7c2d60-64f1-5a49-9d10-3c3f6f3f8a01"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with listening(receiver) as address:
        yield address


def send(url: str, *deliveries: Delivery, timeout_s: float = 5.0) -> list[str]:
    """Hand deliveries over by one channel, one after the other."""

    async def all_of_them() -> list[str]:
        channel = WebhookChannel(url, read_secret(SECRET), timeout_s, CLOCK)
        await channel.open()
        try:
            return [await channel.send(one) for one in deliveries]
        finally:
            await channel.close()

    return run(all_of_them())


def test_the_message_is_the_action_its_channel_and_its_recipient(
    receiver: Receiver, url: str
) -> None:
    assert send(url, delivery(body=BODY)) == ["HTTP 202"]
    message, _ = receiver.acted[KEY]
    assert message == {
        "action": BODY,
        "channel": "email",
        "recipient": {
            "customer_id": "C-1",
            "address": "anna@customer.example",
            "first_name": "Anna",
            "language": "en",
        },
    }
    assert receiver.unsigned == 0


def test_the_same_delivery_is_the_same_body_under_the_same_key(
    receiver: Receiver, url: str
) -> None:
    send(url, delivery(body=BODY), delivery(body=dict(reversed(BODY.items()))))
    assert receiver.requests == {KEY: 2}
    assert len(set(receiver.bodies[KEY])) == 1
    assert {headers["webhook-id"] for headers in receiver.headers[KEY]} == {KEY}


def test_a_changed_body_time_or_key_is_no_longer_signed(receiver: Receiver, url: str) -> None:
    send(url, delivery(body=BODY))
    headers, body = receiver.headers[KEY][0], receiver.bodies[KEY][0]
    assert is_signed(headers, body)
    assert not is_signed(headers, body.replace(b"Anna", b"Otto"))
    later = str(int(headers["webhook-timestamp"]) + 1)
    assert not is_signed({**headers, "webhook-timestamp": later}, body)
    assert not is_signed({**headers, "webhook-id": "another"}, body)


def test_the_example_in_the_document_tells_ours_from_others(receiver: Receiver, url: str) -> None:
    send(url, delivery(body=BODY))
    (example,) = blocks(read_page("docs/delivery.md"), "python")
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - it is ours, and meant to be copied
    headers, body = receiver.headers[KEY][0], receiver.bodies[KEY][0]
    assert names["is_ours"](headers, body, SECRET)
    assert not names["is_ours"](headers, body + b" ", SECRET)
    assert not names["is_ours"](headers, body, "another secret of 24 characters")
    old = {**headers, "webhook-timestamp": "1700000000"}
    assert not names["is_ours"](old, body, SECRET)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
    body = b'{"test": 2432232314}'
    signature = sign(read_secret(secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["too short", "whsec_no base64!", f"whsec_{base64.b64encode(b'short').decode()}", ""]
)
def test_a_weak_or_broken_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(UsageError, match="RFM_DELIVERY_WEBHOOK_SECRET") as refused:
        read_secret(secret)
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_receiver_says_of_this_message_is_final(
    receiver: Receiver, url: str, status: int
) -> None:
    receiver.refused[KEY] = status
    with pytest.raises(Refused) as refused:
        send(url, delivery())
    assert refused.value.code == f"HTTP {status}"
    assert "ok" in refused.value.message


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 409, 425, 429, 500, 503])
def test_everything_else_is_tried_again(receiver: Receiver, url: str, status: int) -> None:
    receiver.refused[KEY] = status
    with pytest.raises(TryAgain) as failed:
        send(url, delivery())
    assert (failed.value.code, failed.value.after_s) == (f"http_{status}", 0.0)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("120", 120, 120),
        ("99999999", 0, 0),
        ("999999", 3600, 3600),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600, 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
    ],
)
def test_the_receiver_says_when_to_come_back(
    receiver: Receiver, url: str, asked: str, least: float, most: float
) -> None:
    receiver.refused[KEY] = 503
    receiver.retry_after = asked
    with pytest.raises(TryAgain) as failed:
        send(url, delivery())
    assert least <= failed.value.after_s <= most


def test_nobody_there_or_no_answer_is_tried_again(receiver: Receiver, url: str) -> None:
    with pytest.raises(TryAgain) as failed:
        send(f"http://127.0.0.1:{find_free_port()}/", delivery())
    assert failed.value.code == "connection"
    receiver.is_down = True
    with pytest.raises(TryAgain) as failed:
        send(url, delivery())
    assert failed.value.code == "connection"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TryAgain) as failed:
            send(f"http://127.0.0.1:{silent.getsockname()[1]}/", delivery(), timeout_s=0.2)
    assert failed.value.code == "timeout"


def test_what_is_not_known_of_a_customer_is_null(receiver: Receiver, url: str) -> None:
    stranger = recipient(first_name=None, language=None, addresses={})
    send(url, delivery("webhook", recipient=stranger))
    message: dict[str, Any] = json.loads(receiver.bodies[KEY][0])
    assert message["recipient"] == {
        "customer_id": "C-1",
        "address": None,
        "first_name": None,
        "language": None,
    }
