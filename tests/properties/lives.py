"""Strategies for customers' lives: small id spaces, so that events meet; instants near the limits."""

from typing import Any

from hypothesis import strategies as st

from streams.core import inputs
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
from tests.core.story import DAY, HOUR, T0, TYPES, rules_document

CUSTOMERS = ("C-1", "C-2", "C-3")
# Spans after which something may change; instants are drawn around them.
LIMITS_MS = [0, HOUR, 4 * HOUR, DAY, 3 * DAY, *(d * DAY for d in (7, 30, 90, 180, 365, 730))]

ALLOWING = {"consent_unknown": {"email": "allow"}}
# Rules under which much happens: everybody may be written to and limits are low.
LIVELY: dict[str, Any] = {**ALLOWING, "frequency_limits": [1, 2, 3, 4]}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
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
            st.sampled_from([OrderPlaced] * 4 + [ReturnRegistered] * 4 + [OrderCancelled] * 2
                            + [CustomerErased])
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
items = st.lists(
    st.builds(Item, st.sampled_from(["S-1", "S-2"]), st.sampled_from([1.0, 2.5])), max_size=2
)


def _fields(kind: type[CustomerEvent]) -> st.SearchStrategy[dict[str, Any]]:
    carts = {
        "cart_id": st.sampled_from(["K-1", "K-2", "customer"]),
        "value_minor": amounts,
        "items": items,
    }
    fields: dict[type[CustomerEvent], dict[str, st.SearchStrategy[Any]]] = {
        OrderPlaced: {
            "order_id": order_ids,
            "total_minor": amounts,
            "foreign": foreigns,
            "cart_id": st.sampled_from([None, None, "K-1", "K-2"]),
        },
        OrderCancelled: {"order_id": order_ids},
        ReturnRegistered: {
            "return_id": st.sampled_from([f"r{index}" for index in range(5)]),
            "order_id": st.one_of(st.none(), order_ids),
            "amount_minor": amounts,
            "foreign": foreigns,
        },
        CartUpdated: carts,
        CartAbandoned: carts,
        CustomerUpdated: {
            "attributes": st.dictionaries(
                st.sampled_from(["city", "vip"]),
                st.one_of(st.none(), texts, st.booleans(), st.just(1.5), st.just(["tea"])),
                max_size=2,
            )
        },
        ConsentChanged: {"channel": st.sampled_from(["email", "sms"]), "granted": st.booleans()},
        CustomerErased: {},
        DeliveryReported: {
            "action_id": st.just("a"),
            "channel": st.just("email"),
            "outcome": st.sampled_from(["sent", "unsubscribed"]),
        },
        ServiceContacted: {
            "contact_id": st.sampled_from(["s1", "s2"]),
            "channel": st.just("phone"),
            "complaint": st.booleans(),
        },
    }
    return st.fixed_dictionaries(fields[kind])


KINDS: list[type[CustomerEvent]] = (
    [OrderPlaced] * 6
    + [CartUpdated] * 4
    + [ReturnRegistered, ReturnRegistered, OrderCancelled, CartAbandoned, CartAbandoned]
    + [CustomerUpdated, ConsentChanged, CustomerErased, DeliveryReported, ServiceContacted]
)


@st.composite
def journals(draw: st.DrawFn, most: int = 25, *, continuous: bool = False) -> list[Input]:
    """A partition's journal: rules, then events of several customers, ticks and new rules.

    Receipt goes forward, with small steps back; events are on time, late, back-filled or repeated.
    """
    records: list[Input] = [
        RulesApplied(received_at_ms=T0, version=1, rules=rules_document(**ALLOWING))
    ]
    now_ms = T0
    for index in range(draw(st.integers(1, most))):
        now_ms += draw(spans(120 * DAY))
        choice = draw(st.integers(0, 19))
        if choice == 0:
            records.append(
                RulesApplied(
                    received_at_ms=now_ms,
                    version=draw(st.integers(1, 3)),
                    rules=rules_document(**draw(st.sampled_from([ALLOWING, LIVELY]))),
                )
            )
        elif choice <= 3:
            records.append(
                Tick(received_at_ms=now_ms, continuous=continuous or draw(st.booleans()))
            )
        elif choice == 4 and any(isinstance(one, CustomerEvent) for one in records):
            events = [one for one in records if isinstance(one, CustomerEvent)]
            records.append(draw(st.sampled_from(events)))
        else:
            records.append(draw(_event(index, now_ms)))
    return records


@st.composite
def _event(draw: st.DrawFn, index: int, now_ms: int) -> CustomerEvent:
    kind = draw(st.sampled_from(KINDS))
    late_ms = draw(st.one_of(st.just(0), st.just(0), spans(200 * DAY)))
    event_id = f"e{index}"
    return kind(
        event_id=event_id,
        customer_id=draw(st.sampled_from(CUSTOMERS)),
        occurred_at_ms=now_ms - late_ms,
        received_at_ms=now_ms - draw(st.sampled_from([0, 0, 1, HOUR])),
        identity=index * 100 + KINDS.index(kind),
        source="shop",
        backfill=draw(st.sampled_from([False, False, False, True])),
        **draw(_fields(kind)),
    )


def type_of(event: CustomerEvent) -> str:
    """The contract's name of an event."""
    return TYPES.get(type(event), type(event).__name__)


ANY_INPUT = inputs.Input
