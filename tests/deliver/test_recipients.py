"""Recipients and marks in a real Redis: who is believed when, and that nothing is changed there."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from confluent_kafka import murmur2

from streams.adapters.redis.keys import Keys
from streams.adapters.redis.recipients import RedisRecipients, connect_async
from streams.adapters.redis.scripts import AsyncClient
from streams.adapters.redis.sent import RedisSentMemory
from streams.adapters.redis.store import RedisStateStore, connect
from streams.codec.partition import PartitionRecord, RulesRecord, encode_partition, encode_rules
from streams.codec.state import encode_state
from streams.core.state import Attribute, Consent, CustomerState, Order
from streams.deliver.ports import Mark, Recipient
from streams.errors import BrokenInvariant, Transient
from streams.ports import Outcome, StoreWrite
from streams.rules.files import rules_text
from streams.settings import Settings
from tests.deliver.deliveries import run

PARTITIONS = 4
NOW_MS = 1_790_000_000_000
RULES = rules_text(Settings.model_construct(consent_unknown={"sms": "after_purchase"}))
CHANNELS = ("email", "sms", "webhook", "push")
Result = TypeVar("Result")


class Keeper:
    """Redis as decide leaves it."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url = url
        self.keys = Keys(namespace)
        self.client = connect(url)
        self._store = RedisStateStore(self.client, self.keys, "g1")
        self._bases: dict[int, int] = {}

    def keep(self, state: CustomerState, *, time_ms: int = NOW_MS, rules_version: int = 1) -> None:
        """Commit a state, and where its partition stands."""
        number = murmur2(state.customer_id.encode(), PARTITIONS)
        base = self._bases.get(number, 0)
        write = StoreWrite(
            number,
            base,
            base + 1,
            [(state.customer_id, encode_state(state))],
            [],
            encode_partition(PartitionRecord(0, time_ms, rules_version)),
            encode_rules(RulesRecord(rules_version, RULES)),
        )
        assert self._store.apply(write) is Outcome.APPLIED
        self._bases[number] = base + 1

    def fetch(
        self, customer_id: str, decided_at_ms: int = NOW_MS, generation: str = "g1"
    ) -> Recipient:
        """Look a customer up as the delivery stage does."""

        async def ask(client: AsyncClient) -> Recipient:
            people = RedisRecipients(client, self.keys, generation, PARTITIONS)
            return await people.fetch(customer_id, CHANNELS, decided_at_ms)

        return self._asking(ask)

    def marks(self, *steps: str, keep_s: int = 60) -> list[Mark]:
        """The mark of action `a` after each of these steps."""

        async def go(client: AsyncClient) -> list[Mark]:
            memory = RedisSentMemory(client, self.keys, keep_s)
            found = [await memory.mark("a")]
            for step in steps:
                await getattr(memory, step)("a")
                found.append(await memory.mark("a"))
            return found

        return self._asking(go)

    def _asking(self, ask: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
        async def asked() -> Result:
            client = connect_async(self.url)
            try:
                return await ask(client)
            finally:
                await client.aclose()

        return run(asked())


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def keeper(request: pytest.FixtureRequest, namespace: str) -> Keeper:
    return Keeper(request.getfixturevalue(request.param), namespace)


def customer(customer_id: str = "C-1", **changed: object) -> CustomerState:
    state = CustomerState(
        customer_id=customer_id,
        attributes={
            "email": Attribute(" anna@customer.example ", 1, "e"),
            "phone": Attribute("+4912345", 1, "e"),
            "first_name": Attribute("Anna", 1, "e"),
            "language": Attribute("de-AT", 1, "e"),
        },
        consents={"email": Consent(True, 1, "e")},
        last_event_at_ms=1,
    )
    for name, value in changed.items():
        setattr(state, name, value)
    return state


def test_a_customer_is_told_as_it_stands_and_nothing_is_changed(keeper: Keeper) -> None:
    keeper.keep(customer())
    names = sorted(keeper.client.scan_iter(f"{keeper.keys.partition(0).position[:11]}*"))
    before = [keeper.client.dump(name) for name in names]
    assert keeper.fetch("C-1") == Recipient(
        customer_id="C-1",
        first_name="Anna",
        language="de-AT",
        addresses={"email": "anna@customer.example", "sms": "+4912345"},
        allowed=frozenset({"email", "webhook"}),
    )
    assert names
    assert [keeper.client.dump(name) for name in names] == before


def test_consent_is_that_of_the_rules_in_force(keeper: Keeper) -> None:
    keeper.keep(customer(orders={"O": Order(1, "e", 100)}, consents={}))
    assert keeper.fetch("C-1").allowed == {"sms", "webhook"}
    withdrawn = {"sms": Consent(False, 2, "f")}
    keeper.keep(customer(orders={"O": Order(1, "e", 100)}, consents=withdrawn), rules_version=2)
    assert keeper.fetch("C-1").allowed == {"webhook"}


def test_what_is_no_text_is_no_address(keeper: Keeper) -> None:
    odd = {
        "email": Attribute(None, 1, "e"),
        "phone": Attribute(4912345, 1, "e"),
        "language": Attribute(" ", 1, "e"),
    }
    keeper.keep(customer(attributes=odd))
    found = keeper.fetch("C-1")
    assert (found.addresses, found.language, found.first_name) == ({}, None, None)


def test_a_merged_customer_is_the_one_that_stays(keeper: Keeper) -> None:
    keeper.keep(customer("C-2", attributes={"first_name": Attribute("Otto", 1, "e")}))
    keeper.keep(customer(merged_into="C-2"))
    assert keeper.fetch("C-1").first_name == "Otto"


def test_merges_that_lead_back_are_not_followed_for_ever(keeper: Keeper) -> None:
    keeper.keep(customer("C-2", merged_into="C-1"))
    keeper.keep(customer("C-1", merged_into="C-2"))
    with pytest.raises(Transient, match="merges"):
        keeper.fetch("C-1")


def test_an_erased_customer_is_erased_until_something_comes_after(keeper: Keeper) -> None:
    keeper.keep(customer(erased_at_ms=5, attributes={}, consents={}, last_event_at_ms=0))
    assert keeper.fetch("C-1").erased
    keeper.keep(customer(erased_at_ms=5))
    assert not keeper.fetch("C-1").erased
    keeper.keep(customer(erased_at_ms=5, attributes={}, last_event_at_ms=6))
    assert not keeper.fetch("C-1").erased


def test_redis_is_not_believed_before_it_knows_of_the_decision(keeper: Keeper) -> None:
    with pytest.raises(Transient, match="rebuilt, or empty"):
        keeper.fetch("C-1")
    keeper.keep(customer(), time_ms=NOW_MS - 1)
    with pytest.raises(Transient, match="does not know of this decision"):
        keeper.fetch("C-1")
    keeper.keep(customer(), time_ms=NOW_MS)
    keeper.fetch("C-1")
    # Somebody of whom nothing is known is not there yet.
    other = next(
        name
        for name in (f"D-{number}" for number in range(100))
        if murmur2(name.encode(), PARTITIONS) == murmur2(b"C-1", PARTITIONS)
    )
    with pytest.raises(Transient):
        keeper.fetch(other)


def test_another_journals_redis_stops_the_stage(keeper: Keeper) -> None:
    keeper.keep(customer())
    with pytest.raises(BrokenInvariant, match="redis rebuild"):
        keeper.fetch("C-1", generation="g2")


def test_marks_go_forward_only_and_expire(keeper: Keeper) -> None:
    assert keeper.marks("begin", "begin", "finish", "begin") == [
        Mark.NEW,
        Mark.BEGUN,
        Mark.BEGUN,
        Mark.DONE,
        Mark.DONE,
    ]
    left = keeper.client.ttl(keeper.keys.sent("a"))
    assert isinstance(left, int)
    assert 0 < left <= 60


def test_a_redis_that_is_away_is_waited_for(namespace: str) -> None:
    nowhere = Keeper("redis://127.0.0.1:1/0", namespace)
    with pytest.raises(Transient, match="Redis does not answer"):
        nowhere.fetch("C-1")
    with pytest.raises(Transient, match="Redis does not answer"):
        nowhere.marks()
