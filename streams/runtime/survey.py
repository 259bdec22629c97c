"""Counts what the customers of a partition bought, in a walk through their states after a boundary.

Sales decide nothing, so nobody waits for them and no event pays for them: they are counted from what
the store holds anyway, where it is read for nothing else. After a crash the walk begins again.
"""

from streams.codec.journal import encode_input
from streams.codec.state import decode_state
from streams.core.inputs import ProductsTaken
from streams.core.population.products import ProductCensus
from streams.core.population.sales import count_customer
from streams.core.rules import Rules
from streams.ports import StateStore

# The longest a live event waits behind a page: 100 customers of 20 lines each take some 10 ms, those
# of a wholesaler (90 lines) 30 ms.
PAGE = 100
# A tenth of the rate of sweeps, by default 1,000 customers a second and a tenth of a core: a million
# take a quarter of an hour of the day that a snapshot holds.
SLOWER = 10
# Under the 1 MiB of a record of the journal and of rfm.state.
MAX_RECORD_BYTES = 900_000


class Survey:
    """One walk through a partition's customers; counts orders and returns before `as_of_ms`.

    `customer_count` is how far it has come.
    """

    def __init__(self, partition: int, as_of_ms: int, store: StateStore, now_s: float) -> None:
        self.next_at_s = now_s
        self.customer_count = 0
        self._partition = partition
        self._as_of_ms = as_of_ms
        self._store = store
        self._cursor = 0
        self._census = ProductCensus()

    def take_page(self, base: int, rules: Rules, now_s: float) -> bool:
        """Count some more customers; True with the last of them.

        `base` is where the store must stand. Raises `PositionChanged` where it was wiped or set back:
        what was read since may be a part of the customers only.
        """
        self._cursor, page = self._store.scan_page(self._partition, self._cursor, PAGE)
        # A customer is in two pages only where the store's table shrinks; states are never removed.
        for customer_id, value in page:
            count_customer(
                self._census,
                decode_state(customer_id, value),
                self._as_of_ms,
                count_zero_value_orders=rules.count_zero_value_orders,
            )
        self.customer_count += len(page)
        # Asked behind the page, so that also the last was read before any change.
        self._store.load_timers(self._partition, base, None, 1)
        self.next_at_s = now_s + len(page) * SLOWER / rules.sweep_customers_per_s
        return self._cursor == 0

    def result(self, now_ms: int) -> ProductsTaken:
        """What was counted, with fewer products where the record would be too long."""
        divisor = 1
        taken = self._taken(now_ms)
        while len(encode_input(taken)) > MAX_RECORD_BYTES:
            self._census.cut(divisor)
            divisor *= 2
            taken = self._taken(now_ms)
        return taken

    def _taken(self, now_ms: int) -> ProductsTaken:
        return ProductsTaken(
            received_at_ms=now_ms,
            partition=self._partition,
            as_of_ms=self._as_of_ms,
            products=self._census.to_plain(),
        )
