"""Redis: one hash of states, one sorted set of timers and one position per journal partition."""

from streams.adapters.redis.keys import Keys
from streams.adapters.redis.store import RedisStateStore

__all__ = ["Keys", "RedisStateStore"]
