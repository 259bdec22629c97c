"""Webhooks: one signed POST per action."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from streams.deliver.channels.channel import Delivery, Refused, TryAgain
from streams.deliver.channels.message import encode_message, message_of
from streams.deliver.channels.signature import sign
from streams.ports import Clock

# The receiver judged this very message. Everything else that is no success is about the receiver or
# the settings (a wrong path, a wrong secret, a redirection), which a person mends while actions wait.
_ABOUT_THE_MESSAGE: Final = frozenset({400, 413, 415, 422})
# Enough of an answer to see what the receiver means.
MAX_ANSWER_BYTES: Final = 1_000
# No receiver may hold an action back for longer by its answer; it is asked again then.
LONGEST_WAIT_S: Final = 3600.0


class WebhookChannel:
    """Posts to one URL; `key` signs."""

    def __init__(self, url: str, key: bytes, timeout_s: float, clock: Clock) -> None:
        self._url = url
        self._key = key
        self._timeout_s = timeout_s
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; connections come with the first message."""
        self._client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False)

    async def send(self, delivery: Delivery) -> str:
        """Post it; any 2xx means taken."""
        if self._client is None:
            raise RuntimeError("send before open")
        body = encode_message(message_of(delivery))
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=self._headers(delivery, body)
            ) as response:
                words = await _beginning(response)
        except httpx.TimeoutException as error:
            raise TryAgain("timeout", type(error).__name__) from error
        except httpx.HTTPError as error:
            raise TryAgain("connection", str(error)) from error
        return self._judge(response, words)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        key = delivery.action.idempotency_key
        timestamp_s = self._clock.now_ms() // 1000
        return {
            "Content-Type": "application/json",
            # Compressed, a short answer could unfold to any length.
            "Accept-Encoding": "identity",
            "User-Agent": "rfm-streams",
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(self._key, key, timestamp_s, body),
        }

    def _judge(self, response: httpx.Response, words: str) -> str:
        status = response.status_code
        if response.is_success:
            return f"HTTP {status}"
        if status in _ABOUT_THE_MESSAGE:
            raise Refused(f"HTTP {status}", f"HTTP {status}: {words}")
        after_s = self._retry_after_s(response.headers.get("Retry-After", ""))
        raise TryAgain(f"http_{status}", f"HTTP {status}: {words}", after_s)

    def _retry_after_s(self, text: str) -> float:
        """Seconds that the receiver asks for, given as a number or a date; 0 where it does not."""
        if text.isdecimal() and len(text) <= len("999999"):
            return min(float(text), LONGEST_WAIT_S)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT_S)


async def _beginning(response: httpx.Response) -> str:
    """The first bytes of the answer; a short one is read to its end, which keeps the connection."""
    found = b""
    # As it came: a receiver that compresses all the same is not unpacked.
    async for part in response.aiter_raw():
        found += part
        if len(found) > MAX_ANSWER_BYTES:
            break
    return " ".join(found[:MAX_ANSWER_BYTES].decode(errors="replace").split())
