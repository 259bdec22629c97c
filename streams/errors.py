"""The errors of rfm-streams, sorted by who must act.

RfmError
├── UsageError            a person: bad arguments, settings or files (exit code 2)
│   └── Denied            a person: what Kafka or Redis does not allow this login
├── Rejected              the producer: one bad event, which becomes a dead letter
├── Transient             nobody: try again
├── UnknownOutcome        nobody: a commit may have happened; what is committed is read back
└── BrokenInvariant       the engineer on call: the worker stops (exit code 3)
    ├── Fenced            nobody: another process owns the work, this one ends (exit code 4)
    └── ForeignStore      Redis belongs to another log: `rfm-streams redis rebuild`
"""


class RfmError(Exception):
    """Base of all errors that rfm-streams raises on purpose."""

    exit_code = 1


class UsageError(RfmError):
    """Bad arguments, settings or files. The message is one line that says what to do."""

    exit_code = 2


class Denied(UsageError):
    """Kafka or Redis knows this login and does not allow it what its role needs.

    No waiting mends it, so the process ends and says what is missing.
    """


class Rejected(RfmError):
    """One inbound record cannot be used.

    `reason` is a stable code (docs/producers.md lists them), `field` the path of the offending field
    or None, `message` a sentence for the producer.
    """

    def __init__(self, reason: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


class Transient(RfmError):
    """A dependency did not answer this time. Retried under a bound."""


class BrokenInvariant(RfmError):
    """Going on could lose or double a decision. The worker stops and says why."""

    exit_code = 3


class Fenced(BrokenInvariant):
    """Another process has taken over this role. Ending is the right answer."""

    exit_code = 4


class ForeignStore(BrokenInvariant):
    """Redis holds the state of another journal, or is ahead of this one."""


class UnknownOutcome(RfmError):
    """A commit or an abort did not answer: it may have happened. A new producer finds out."""
