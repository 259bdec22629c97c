"""`Recipients` of the delivery stage: the states that decide keeps in Redis, read only.

A state is believed only where its partition stands at or behind the decision that is carried out:
Redis follows Kafka, and may be on its way back from a loss.
"""

from typing import Any

import redis.asyncio
from confluent_kafka import murmur2
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streams.adapters.redis.cluster import connect_async_cluster, is_cluster
from streams.adapters.redis.keys import Keys
from streams.adapters.redis.scripts import LOOK_UP, AsyncClient
from streams.adapters.redis.store import mapped
from streams.adapters.redis.url import parse
from streams.codec.partition import PartitionRecord, decode_partition, decode_rules
from streams.codec.state import decode_state
from streams.core.merging import MAX_HOPS
from streams.core.rules import Rules, compile_rules
from streams.core.state import CustomerState
from streams.deliver.ports import Recipient
from streams.deliver.recipient import recipient_of
from streams.errors import Transient
from streams.ports import check_generation

# Thousands of actions may ask at once; as many connections would be a load of their own.
MAX_CONNECTIONS = 16
# Each learns by itself where everything is, which takes it some 50 ms, and has one connection per node.
CLUSTER_CLIENTS = 4


def connect_async(url: str, *, timeout_s: float = 5.0) -> AsyncClient:
    """A client for one event loop that answers or fails within `timeout_s` of its turn.

    Raises ValueError where the URL is none.
    """
    if is_cluster(url):
        return connect_async_cluster(url, timeout_s, CLUSTER_CLIENTS)
    parse(url)
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=None,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
        decode_responses=False,
    )
    return redis.asyncio.Redis.from_pool(pool)


class RedisRecipients:
    """Recipients of one journal."""

    def __init__(self, client: AsyncClient, keys: Keys, generation: str, partitions: int) -> None:
        self._client = client
        self._keys = keys
        self._generation = generation
        self._partitions = partitions
        self._rules: dict[int, Rules] = {}

    async def fetch(
        self, customer_id: str, channels: tuple[str, ...], decided_at_ms: int
    ) -> Recipient:
        """The customer, or the one into whom it was merged."""
        since_ms = decided_at_ms
        for _ in range(MAX_HOPS + 1):
            state, rules = await self._read(customer_id, since_ms)
            if state.merged_into is None:
                return recipient_of(state, rules, channels)
            # Another partition has a time of its own.
            customer_id, since_ms = state.merged_into, 0
        raise Transient(f"a customer leads on over more than {MAX_HOPS} merges")

    async def _read(self, customer_id: str, since_ms: int) -> tuple[CustomerState, Rules]:
        partition = murmur2(customer_id.encode(), self._partitions)
        keys = self._keys.partition(partition)
        with mapped():
            # Both of one instant. A script, because MULTI of redis-py's cluster client runs an event
            # loop of its own for each command.
            found: Any = await LOOK_UP.run_async(self._client, keys, [customer_id])
        (generation, record), value = found
        if generation is None or record is None:
            raise Transient(f"partition {partition} of Redis is being rebuilt, or empty")
        check_generation(generation.decode(), self._generation, partition)
        standing = decode_partition(record)
        if standing.time_ms < since_ms or value is None:
            raise Transient(f"partition {partition} of Redis does not know of this decision yet")
        rules = await self._rules_of(partition, standing)
        return decode_state(customer_id, value), rules

    async def _rules_of(self, partition: int, standing: PartitionRecord) -> Rules:
        """The rules in force; compiled once a version, because they are large."""
        rules = self._rules.get(partition)
        if rules is not None and rules.version == standing.rules_version:
            return rules
        with mapped():
            value = await self._client.execute_command(
                "HGET", self._keys.partition(partition).position, "rules"
            )
        if value is None:
            raise Transient(f"partition {partition} of Redis has no rules yet")
        record = decode_rules(value)
        rules = self._rules[partition] = compile_rules(record.rules, record.version)
        return rules
