"""Strategies for customers' lives: small id spaces, so that events meet; instants near the limits."""

from random import Random
from typing import Any

from hypothesis import strategies as st

from streams.core.inputs import (
    CartAbandoned,
    CartUpdated,
    ConsentChanged,
    CustomerErased,
    CustomerEvent,
    CustomerUpdated,
    DeliveryReported,
    Foreign,
    Input,
    Item,
    OrderCancelled,
    OrderPlaced,
    ReturnRegistered,
    RulesApplied,
    ServiceContacted,
    Tick,
)
from tests.core.story import DAY, HOUR, T0, rules_document

CUSTOMERS = ("C-1", "C-2", "C-3")
# Spans after which something may change; instants are drawn around them.
LIMITS_MS = [0, HOUR, 4 * HOUR, DAY, 3 * DAY, *(d * DAY for d in (7, 30, 90, 180, 365, 730))]

ALLOWING = {"consent_unknown": {"email": "allow"}}
# Rules under which much happens: everybody may be written to and limits are low.
LIVELY: dict[str, Any] = {**ALLOWING, "frequency_limits": [1, 2, 3, 4]}

amounts = st.one_of(st.integers(0, 3), st.integers(0, 120_000))


def spans(most_ms: int) -> st.SearchStrategy[int]:
    """Spans up to `most_ms`, often a limit, one less or one more."""
    near = st.builds(
        lambda limit, off: min(most_ms, max(0, limit + off)),
        st.sampled_from([limit for limit in LIMITS_MS if limit <= most_ms]),
        st.sampled_from([-1, 0, 1]),
    )
    return st.one_of(near, st.integers(0, most_ms))


@st.composite
def facts_events(draw: st.DrawFn, latest_ms: int, oldest_ms: int) -> list[CustomerEvent]:
    """Orders, cancellations, returns and erasures of one customer, received at `latest_ms`."""
    events: list[CustomerEvent] = []
    for index in range(draw(st.integers(1, 12))):
        kind = draw(
            st.sampled_from(
                [OrderPlaced] * 4 + [ReturnRegistered] * 4 + [OrderCancelled] * 2 + [CustomerErased]
            )
        )
        common: dict[str, Any] = {
            "event_id": f"e{draw(st.integers(0, 2))}-{index}",
            "customer_id": CUSTOMERS[0],
            "occurred_at_ms": latest_ms - draw(spans(latest_ms - oldest_ms)),
            "received_at_ms": latest_ms,
            "identity": index,
            "source": "shop",
        }
        events.append(kind(**common, **draw(_fields(kind))))
    return events


foreigns = st.one_of(
    st.none(),
    st.builds(Foreign, st.sampled_from(["GBP", "USD"]), st.integers(1, 50_000)),
)
order_ids = st.sampled_from([f"o{index}" for index in range(4)])


def _fields(kind: type[CustomerEvent]) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[type[CustomerEvent], dict[str, st.SearchStrategy[Any]]] = {
        OrderPlaced: {"order_id": order_ids, "total_minor": amounts, "foreign": foreigns},
        OrderCancelled: {"order_id": order_ids},
        ReturnRegistered: {
            "return_id": st.sampled_from([f"r{index}" for index in range(5)]),
            "order_id": st.one_of(st.none(), order_ids),
            "amount_minor": amounts,
            "foreign": foreigns,
        },
        CustomerErased: {},
    }
    return st.fixed_dictionaries(fields[kind])


def journals(most: int = 25, *, continuous: bool = False) -> st.SearchStrategy[list[Input]]:
    """Journals of a partition by seed and length: a failure names both, a shorter one is a prefix."""
    return st.builds(
        lambda seed, length: journal_of(seed, length, continuous=continuous),
        st.integers(0, 2**32 - 1),
        st.integers(1, most),
    )


def journal_of(seed: int, length: int, *, continuous: bool = False) -> list[Input]:
    """Rules, then events of several customers, ticks and new rules.

    Receipt goes forward, with small steps back; events are on time, late, back-filled or repeated.
    """
    random = Random(seed)
    records: list[Input] = [
        RulesApplied(received_at_ms=T0, version=1, rules=rules_document(**ALLOWING))
    ]
    events: list[CustomerEvent] = []
    now_ms = T0
    for index in range(length):
        now_ms += _span(random, 120 * DAY)
        choice = random.randrange(20)
        if choice == 0:
            text = rules_document(**random.choice([ALLOWING, LIVELY]))
            records.append(
                RulesApplied(received_at_ms=now_ms, version=random.randint(1, 3), rules=text)
            )
        elif choice <= 3:
            records.append(
                Tick(received_at_ms=now_ms, continuous=continuous or random.random() < 0.5)
            )
        elif choice == 4 and events:
            records.append(random.choice(events))
        else:
            events.append(_event(random, index, now_ms))
            records.append(events[-1])
    return records


def _span(random: Random, most_ms: int) -> int:
    if random.random() < 0.4:
        limit = random.choice([one for one in LIMITS_MS if one <= most_ms])
        return max(0, limit + random.choice([-1, 0, 1]))
    return random.randint(0, most_ms)


def _event(random: Random, index: int, now_ms: int) -> CustomerEvent:
    kind = random.choice(KINDS)
    late_ms = random.choice([0, 0, _span(random, 200 * DAY)])
    return kind(
        event_id=f"e{index}",
        customer_id=random.choice(CUSTOMERS),
        occurred_at_ms=now_ms - late_ms,
        received_at_ms=now_ms - random.choice([0, 0, 1, HOUR]),
        identity=index * 100 + KINDS.index(kind),
        source="shop",
        backfill=random.random() < 0.2,
        **_drawn(random, kind),
    )


def _drawn(random: Random, kind: type[CustomerEvent]) -> dict[str, Any]:
    order_id = random.choice(["o0", "o1", "o2", "o3"])
    amount = random.choice([0, 1, 100, random.randint(0, 120_000)])
    foreign = random.choice([None, None, Foreign("GBP", random.randint(1, 50_000))])
    cart = {
        "cart_id": random.choice(["K-1", "K-2", "customer"]),
        "value_minor": amount,
        "items": random.choice([[], [Item("S-1", 1.0)], [Item("S-2", 2.5, 1_990_000, name="T")]]),
    }
    fields: dict[type[CustomerEvent], dict[str, Any]] = {
        OrderPlaced: {
            "order_id": order_id,
            "total_minor": amount,
            "foreign": foreign,
            "cart_id": random.choice([None, None, "K-1", "K-2"]),
        },
        OrderCancelled: {"order_id": order_id},
        ReturnRegistered: {
            "return_id": random.choice(["r0", "r1", "r2"]),
            "order_id": random.choice([None, order_id]),
            "amount_minor": amount,
            "foreign": foreign,
        },
        CartUpdated: cart,
        CartAbandoned: cart,
        CustomerUpdated: {
            "attributes": {
                random.choice(["city", "vip"]): random.choice([None, "Köln", True, 1.5, ["tea"]])
            }
        },
        ConsentChanged: {"channel": "email", "granted": random.random() < 0.5},
        CustomerErased: {},
        DeliveryReported: {
            "action_id": "a",
            "channel": "email",
            "outcome": random.choice(["sent", "unsubscribed"]),
        },
        ServiceContacted: {
            "contact_id": random.choice(["s1", "s2"]),
            "channel": "phone",
            "complaint": random.random() < 0.5,
        },
    }
    return fields[kind]


KINDS: list[type[CustomerEvent]] = (
    [OrderPlaced] * 6
    + [CartUpdated] * 4
    + [ReturnRegistered, ReturnRegistered, OrderCancelled, CartAbandoned, CartAbandoned]
    + [CustomerUpdated, ConsentChanged, CustomerErased, DeliveryReported, ServiceContacted]
)
