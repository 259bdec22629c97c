"""Shares and segments as the commands show them."""

from streams.core.rules import Rules
from streams.errors import UsageError

# Shown for customers outside every segment of a scheme.
NOWHERE = "none"


def percent(ten_thousandths: int | None) -> str | None:
    """A share for people: per cent with one decimal, half up."""
    if ten_thousandths is None:
        return None
    tenths = (ten_thousandths + 5) // 10
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"


def fraction(ten_thousandths: int | None) -> float | None:
    """A share for programs, 0 to 1."""
    return ten_thousandths / 10_000 if ten_thousandths is not None else None


def check_scheme(name: str, rules: Rules) -> None:
    """Raise `UsageError` where the rules have no such scheme."""
    known = [one.name for one in rules.schemes]
    if name not in known:
        raise UsageError(f"--scheme {name}: no such scheme; the rules have {', '.join(known)}")
