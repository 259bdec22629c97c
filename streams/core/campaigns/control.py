"""Who is not sent to, so that the effect of a campaign can be seen: stable, and known to nobody else."""

from hashlib import blake2b
from typing import Final

_BUCKETS: Final = 10_000
_PER_PERCENT: Final = _BUCKETS // 100


def is_control(campaign: str, customer_id: str, percent: int) -> bool:
    """Whether this customer is in the control group of the campaign: the same in every replay.

    A hash of both names, so that groups of different campaigns have nothing to do with each other.
    """
    return bool(percent) and _bucket("control", campaign, customer_id) < percent * _PER_PERCENT


def is_held_out(customer_id: str, percent: int) -> bool:
    """Whether this customer belongs to those who are never sent anything."""
    return bool(percent) and _bucket("holdout", customer_id) < percent * _PER_PERCENT


def _bucket(*parts: str) -> int:
    # Each part behind its length: no two lists of parts make one text.
    name = "".join([f"{len(part)}:{part}" for part in parts]).encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") % _BUCKETS
