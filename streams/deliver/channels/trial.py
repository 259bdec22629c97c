"""Channels for trying out: a line of JSON per action, into a file or onto the terminal.

The lines hold personal data, as the mails would.
"""

import asyncio
import os
import sys
from pathlib import Path

from streams.deliver.channels.channel import Delivery, TryAgain
from streams.deliver.channels.message import encode_message, message_of
from streams.deliver.channels.templates import Templates

EMAIL = "email"


class FileChannel:
    """Appends to a file; a line is on disk before the action counts as sent."""

    def __init__(self, path: Path, templates: Templates) -> None:
        self._path = path
        self._templates = templates

    async def open(self) -> None:
        """Nothing to do: the file is made by the first line."""

    async def send(self, delivery: Delivery) -> str:
        """Append one line."""
        line = _line(delivery, self._templates)
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            raise TryAgain("file", error.strerror or "") from error
        return "written"

    async def close(self) -> None:
        """Nothing is held open."""

    def _append(self, line: bytes) -> None:
        # One write of an appending file: lines of several processes do not mix.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class ConsoleChannel:
    """Writes to standard output."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    async def open(self) -> None:
        """Nothing to do."""

    async def send(self, delivery: Delivery) -> str:
        """Write one line."""
        sys.stdout.write(_line(delivery, self._templates).decode())
        sys.stdout.flush()
        return "printed"

    async def close(self) -> None:
        """Nothing is held open."""


def _line(delivery: Delivery, templates: Templates) -> bytes:
    """The message; for e-mail with the text that a mail would have."""
    message = message_of(delivery)
    if delivery.channel == EMAIL:
        written = templates.render(delivery)
        message["mail"] = {"subject": written.subject, "text": written.text}
    return encode_message(message) + b"\n"
