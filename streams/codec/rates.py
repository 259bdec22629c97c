"""Exchange rates into the base currency, each valid from a day on."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from schemas.currencies import MINOR_DIGITS
from schemas.dead_letters import Reason
from streams.errors import Rejected, UsageError

MAX_AMOUNT_MINOR: Final = 10**17
"""Sums of amounts stay within 64 bits; no single amount that is written down comes near."""

# Exact for any product of an amount (17 digits) and a rate (28 digits).
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one unit of a currency is worth in units of the base currency, by date (UTC).

    `rates` maps a currency to (valid from, rate), in any order. A rate holds until the next one.

    Raises:
        UsageError: an unknown currency, or a rate that is not a number above zero.

    """

    base_currency: str
    rates: Mapping[str, Sequence[tuple[date, Decimal]]]

    def __post_init__(self) -> None:
        """Check the settings once, and order the rates by date."""
        for currency in (self.base_currency, *self.rates):
            if currency not in MINOR_DIGITS:
                msg = f"{currency!r} is not a currency of ISO 4217: mend the exchange rates"
                raise UsageError(msg)
        for currency, dated in self.rates.items():
            for _, rate in dated:
                if not rate.is_finite() or rate <= 0:
                    msg = f"the exchange rate {rate} of {currency} is not a number above zero"
                    raise UsageError(msg)
        ordered = {currency: sorted(dated) for currency, dated in self.rates.items()}
        object.__setattr__(self, "rates", ordered)

    def convert(self, amount_minor: int, currency: str, at_ms: int, field: str) -> int:
        """Convert minor units of `currency` into minor units of the base currency, half-even.

        `at_ms` is milliseconds since 1970; its day in UTC chooses the rate.

        Raises:
            Rejected: no rate is valid on that day, or the result is beyond all bounds.

        """
        shift = MINOR_DIGITS[self.base_currency] - MINOR_DIGITS[currency]
        rate = self._rate(currency, at_ms).scaleb(shift, _EXACT)
        product = _EXACT.multiply(Decimal(amount_minor), rate)
        converted = int(product.to_integral_value(ROUND_HALF_EVEN, _EXACT))
        if abs(converted) > MAX_AMOUNT_MINOR:
            message = f"{field} is beyond all bounds in {self.base_currency}; check the rate"
            raise Rejected(Reason.INVALID_MONEY, message, field)
        return converted

    def _rate(self, currency: str, at_ms: int) -> Decimal:
        day = (_EPOCH + timedelta(milliseconds=at_ms)).date()
        dated = self.rates.get(currency, ())
        index = bisect_right(dated, day, key=lambda entry: entry[0])
        if index == 0:
            message = (
                f"no rate from {currency} to {self.base_currency} is valid on {day}: add one to "
                "exchange_rates in the settings, then retry the dead letter"
            )
            raise Rejected(Reason.NO_EXCHANGE_RATE, message, "currency")
        return dated[index - 1][1]
