"""A partition captured out of a store that goes on changing is exact as of one commit."""

import io
from collections.abc import Iterator

import pytest

from streams.adapters.memory import MemoryBroker, MemoryLog, MemoryStateLog, MemoryStateStore
from streams.codec.partition import (
    PARTITION_KEY,
    RULES_KEY,
    PartitionRecord,
    RulesRecord,
    customer_key,
    encode_partition,
    encode_rules,
)
from streams.codec.state import encode_state
from streams.core.state import CustomerState
from streams.insights.capture import Capturing, NotReadyError
from streams.ports import StoreWrite
from streams.rules.files import rules_text
from streams.settings import load_settings

RULES = encode_rules(RulesRecord(1, rules_text(load_settings())))


class Shop:
    """One partition whose customers carry a number, changed by commits as a decider makes them."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.log = MemoryLog(self.broker)
        self.state_log = MemoryStateLog(self.broker)
        self.store = MemoryStateStore("g1")

    def commit(self, number: int, *customers: str, stored: bool = True) -> None:
        """Give each customer the number, at partition time `number`."""
        states = [
            (one, encode_state(CustomerState(one, beyond_history_count=number)))
            for one in customers
        ]
        record = encode_partition(PartitionRecord(number, number, 1))
        base = self.state_log.end(0)
        self.log.begin()
        for customer_id, value in states:
            self.log.publish("rfm.state", customer_key(customer_id), value, (), 0)
        self.log.publish("rfm.state", RULES_KEY, RULES, (), 0)
        self.log.publish_tracked("rfm.state", PARTITION_KEY, record, 0)
        new = self.log.commit()[0] + 1
        if stored:
            self.store.apply(StoreWrite(0, base, new, states, [], record, RULES))


def captured(
    store: MemoryStateStore, shop: Shop, *, partial: bool = False
) -> tuple[int, dict[str, int], str | None]:
    """Time, number by customer, and what is missing."""
    capturing = Capturing(store, shop.state_log, io.BytesIO(), lambda count: None, 0.0)
    found = capturing.capture(0, partial=partial)
    numbers = {one.customer_id: one.beyond_history_count for one in capturing.states(found)}
    return found.time_ms, numbers, found.missing


class BusyStore(MemoryStateStore):
    """A store in whose scans commits happen: a customer already seen, one to come, and a new one."""

    shop: Shop

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """Each customer once, with commits between them."""
        for index, customer_id in enumerate(dict(super().scan(partition))):
            if index == 1:
                self.shop.commit(20, "a", "c", "new")
            yield customer_id, dict(super().scan(partition))[customer_id]


def test_commits_during_the_scan_are_all_in_or_it_says_so() -> None:
    shop = Shop()
    store = shop.store = BusyStore("g1")
    store.shop = shop
    shop.commit(10, "a", "b", "c")
    assert captured(store, shop) == (20, {"a": 20, "b": 10, "c": 20, "new": 20}, None)


def test_a_partition_where_nothing_was_decided_is_empty() -> None:
    shop = Shop()
    assert captured(shop.store, shop) == (0, {}, None)


def test_a_store_behind_the_log_is_refused_and_taken_only_in_part() -> None:
    shop = Shop()
    shop.commit(10, "a")
    shop.commit(20, "b", stored=False)
    with pytest.raises(NotReadyError, match=r"behind: Redis stands at offset 3 .*3 offsets"):
        captured(shop.store, shop)
    time_ms, numbers, missing = captured(shop.store, shop, partial=True)
    assert (time_ms, numbers) == (10, {"a": 10})
    assert missing is not None

    shop.store.wipe(0)
    with pytest.raises(NotReadyError, match="being rebuilt: Redis holds nothing"):
        captured(shop.store, shop)
    assert captured(shop.store, shop, partial=True)[1] == {}


class WipedStore(MemoryStateStore):
    """A store that is wiped while it is read."""

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """The first customer, and then none."""
        found = list(super().scan(partition))
        yield found[0]
        self.wipe(partition)


def test_a_store_wiped_during_the_scan_is_noticed() -> None:
    shop = Shop()
    store = shop.store = WipedStore("g1")
    shop.commit(10, "a", "b")
    with pytest.raises(NotReadyError, match="being rebuilt"):
        captured(store, shop)
