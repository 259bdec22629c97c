"""`StateStore` on Redis. Foreign errors are mapped here; every write is idempotent under its guard."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from streams.adapters.redis.keys import Keys, PartitionKeys
from streams.adapters.redis.scripts import APPLY, LOAD, LOAD_TIMERS
from streams.errors import BrokenInvariant, Denied, Transient, UsageError
from streams.ports import Outcome, PositionChanged, StoredPosition, StoreWrite, check_generation

# Fields per HSCAN: some 100 KiB an answer.
SCAN_COUNT = 500
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def connect(url: str, *, timeout_s: float = 5.0) -> redis.Redis:
    """A client that answers or fails within `timeout_s`; retries are the caller's, under the guard."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
        decode_responses=False,
    )


class RedisStateStore:
    """States of one journal (namespace and generation) in Redis."""

    def __init__(self, client: redis.Redis, keys: Keys, generation: str) -> None:
        self._client = client
        self._keys = keys
        self._generation = generation
        self._load = client.register_script(LOAD)
        self._load_timers = client.register_script(LOAD_TIMERS)
        self._apply = client.register_script(APPLY)

    def check(self) -> None:
        """Refuse a Redis that would drop states on its own account."""
        with mapped():
            policy = _eviction_policy(self._client)
        if policy not in (None, "noeviction"):
            raise BrokenInvariant(
                f"Redis has maxmemory-policy {policy}, which drops customers when memory is short; "
                "set it to noeviction"
            )

    def position(self, partition: int) -> StoredPosition | None:
        """Where a partition stands."""
        keys = self._keys.partition(partition)
        with mapped():
            # The client is typed for both kinds of answers; ours are bytes.
            found: Any = self._client.hmget(
                keys.position, ["generation", "offset", "partition", "rules", "snapshot"]
            )
        generation, offset, record, rules, snapshot = found
        if generation is None or offset is None:
            return None
        check_generation(generation.decode(), self._generation, partition)
        return StoredPosition(generation.decode(), int(offset), record, rules, snapshot)

    def load(self, partition: int, base: int, ids: Sequence[str]) -> list[bytes | None]:
        """States by id, if the position is `base`."""
        keys = self._keys.partition(partition)
        values: list[bytes | None] = self._run(self._load, keys, [base, *ids])
        return values

    def load_timers(
        self, partition: int, base: int, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str]]:
        """Timers behind `after`, in order, if the position is `base`."""
        keys = self._keys.partition(partition)
        found: list[tuple[int, str]] = []
        skipped, least = 0, "-inf" if after is None else str(after[0])
        while len(found) < limit:
            flat = self._run(self._load_timers, keys, [base, least, skipped, limit])
            page = [
                (int(float(due)), customer_id.decode())
                for customer_id, due in zip(flat[::2], flat[1::2], strict=True)
            ]
            # Many customers may share the due instant of `after`; those up to it are known.
            found += [timer for timer in page if after is None or timer > after]
            skipped += len(page)
            if len(page) < limit:
                break
        return found[:limit]

    def apply(self, write: StoreWrite) -> Outcome:
        """Write if the guard allows."""
        keys = self._keys.partition(write.partition)
        removed = [customer_id for customer_id, due_ms in write.timers if due_ms is None]
        arguments: list[Any] = [
            self._generation,
            write.base,
            write.new,
            write.partition_record or b"",
            write.rules_record or b"",
            write.snapshot_record or b"",
            len(write.states),
            len(write.timers) - len(removed),
            len(removed),
            len(write.population),
        ]
        for state in write.states:
            arguments += state
        for customer_id, due_ms in write.timers:
            if due_ms is not None:
                arguments += (due_ms, customer_id)
        arguments += removed
        for named in write.population.items():
            arguments += named
        return Outcome(self._run(self._apply, keys, arguments).decode())

    def wipe(self, partition: int) -> None:
        """Remove a partition in one command: a position without its states would be believed.

        Another worker may be writing the partition anew at this very moment; whichever comes first,
        what is left is either whole or has no position.
        """
        with mapped():
            self._client.unlink(*self._keys.partition(partition))

    def scan(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """All customers of a partition, each once."""
        keys = self._keys.partition(partition)
        seen: set[bytes] = set()
        cursor = 0
        while True:
            with mapped():
                page: Any = self._client.hscan(keys.customers, cursor, count=SCAN_COUNT)
            cursor, values = page
            for customer_id, value in values.items():
                if customer_id not in seen:
                    seen.add(customer_id)
                    yield customer_id.decode(), value
            if cursor == 0:
                return

    def scan_page(
        self, partition: int, cursor: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        """About `count` customers from a cursor on."""
        keys = self._keys.partition(partition)
        with mapped():
            page: Any = self._client.hscan(keys.customers, cursor, count=count)
        following, values = page
        return int(following), [(key.decode(), value) for key, value in values.items()]

    def population(self, partition: int) -> dict[str, bytes]:
        """The records about the whole partition by name."""
        with mapped():
            found: Any = self._client.hgetall(self._keys.partition(partition).population)
        return {name.decode(): value for name, value in found.items()}

    def count_timers(self, partition: int, until_ms: int) -> tuple[int, int]:
        """Timers in all, and those due."""
        keys = self._keys.partition(partition)
        with mapped():
            total = self._client.zcard(keys.timers)
            due = self._client.zcount(keys.timers, "-inf", until_ms)
        return int(total), int(due)

    def _run(
        self, script: Callable[..., Any], keys: PartitionKeys, arguments: Iterable[Any]
    ) -> Any:
        with mapped():
            try:
                return script(keys=list(keys), args=list(arguments))
            except redis.ResponseError as error:
                if str(error).startswith("POSITION"):
                    raise PositionChanged(f"the store is at {str(error)[9:]}") from error
                raise


def _eviction_policy(client: redis.Redis) -> str | None:
    # CONFIG would tell it too, but also the server's passwords: nobody should need to allow it.
    found: Any = client.info("memory")
    return str(found["maxmemory_policy"]) if "maxmemory_policy" in found else None


@contextmanager
def mapped() -> Iterator[None]:
    """Turn a server that cannot be asked right now into `Transient`, one that refuses into `Denied`.

    A login or certificate that is refused is a `UsageError`.
    """
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
        raise UsageError(
            f"Redis refuses the login ({error}): check user and password in RFM_REDIS_URL"
        ) from error
    except redis.exceptions.NoPermissionError as error:
        raise Denied(
            f"Redis does not allow this login what its role needs ({error}): `rfm-streams topics acl` "
            "prints it"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError) as error:
        if _UNTRUSTED in str(error):
            raise UsageError(
                f"the certificate of Redis is not trusted ({error}): name its authority by "
                "?ssl_ca_certs=FILE in RFM_REDIS_URL, and the server by a name in it"
            ) from error
        raise Transient(f"Redis does not answer: {error}") from error
    except redis.ReadOnlyError as error:
        raise Transient(f"Redis is read-only just now (a failover?): {error}") from error
