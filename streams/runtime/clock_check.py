"""This machine's clock against the broker's. Timers and received_at live by the former."""

from streams.errors import BrokenInvariant


def difference_s(began_ms: int, ended_ms: int, broker_ms: int) -> float:
    """This clock minus the broker's, as far as it is beyond doubt.

    The broker stamped the record somewhere between `began_ms` and `ended_ms` of this clock, so a
    slow commit is no difference.
    """
    if broker_ms < began_ms:
        return (began_ms - broker_ms) / 1_000
    if broker_ms > ended_ms:
        return (ended_ms - broker_ms) / 1_000
    return 0.0


def check_clock(difference: float, bound_s: float) -> None:
    """Raise `BrokenInvariant` where the clocks differ by more than the bound (seconds)."""
    if abs(difference) <= bound_s:
        return
    raise BrokenInvariant(
        f"this machine's clock is {abs(difference):.1f} s "
        f"{'ahead of' if difference > 0 else 'behind'} the broker's, more than "
        f"max_clock_difference_s ({bound_s:g}): timers would fire at wrong times. Set both clocks "
        "right (NTP), or raise RFM_MAX_CLOCK_DIFFERENCE_S"
    )
