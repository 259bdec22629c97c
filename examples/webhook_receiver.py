"""A small receiver of webhooks, as your marketing tool would have one.

    WEBHOOK_SECRET=... python examples/webhook_receiver.py [HOST [PORT]]

Checks each signature, acts once per key by printing a line, and answers 2xx. Standard library only.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["WEBHOOK_SECRET"]
KEY = base64.b64decode(SECRET[6:]) if SECRET.startswith("whsec_") else SECRET.encode()
# An older request may be one that somebody recorded and sends again.
FRESH_S = 300
# Yours stands in a database, in the transaction that acts: then a restart forgets nothing.
acted: set[str] = set()
# Each request has a thread of its own.
acting = threading.Lock()


def act(message: dict, key: str) -> None:
    """What your tool does with an action; here it is one line."""
    action, to = message["action"], message["recipient"]
    print(
        f"signature ok: {action['campaign']}, step {action['step']}, to {to['customer_id']}"
        f" ({to['first_name']}, {to['address']}) by {message['channel']}, key {key}",
        flush=True,
    )


class Receiver(BaseHTTPRequestHandler):
    """Takes actions."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_signed(body):
            print("refused: the signature is wrong", flush=True)
            self.answer(401)
            return
        # The same as Idempotency-Key, and signed.
        key = self.headers["webhook-id"]
        with acting:
            if key not in acted:
                act(json.loads(body), key)
                acted.add(key)
        self.answer(202)

    def is_signed(self, body: bytes) -> bool:
        """HMAC-SHA256 over id, time stamp and body (Standard Webhooks)."""
        name, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        if not name or not at or abs(time.time() - int(at)) > FRESH_S:
            return False
        digest = hmac.new(KEY, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        expected = f"v1,{base64.b64encode(digest).decode()}"
        return hmac.compare_digest(self.headers["webhook-signature"] or "", expected)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """One line per action is enough."""


if __name__ == "__main__":
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8088
    print(f"waiting for actions on {host}:{port}", flush=True)
    ThreadingHTTPServer((host, port), Receiver).serve_forever()
