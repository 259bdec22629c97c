"""The scripts that run inside Redis. Each checks first and writes last, so it cannot stop half-way.

Commands of Redis 6.2. KEYS are always position, customers, timers, population of
one partition.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import redis
from redis.exceptions import NoScriptError

Client = redis.Redis | redis.RedisCluster


class AsyncClient(Protocol):
    """One server or a cluster in an event loop; commands by name, since redis-py's own differ."""

    async def execute_command(self, *args: Any) -> Any:
        """Send a command; its answer."""

    async def aclose(self) -> None:
        """Close every connection."""


class Script:
    """A script's text, and the name by which a server that has run it knows it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Client, keys: Sequence[str], arguments: Iterable[Any]) -> Any:
        """Run it where the keys are.

        A server that does not know it (restarted, a replica that took over) is told with EVAL. SCRIPT
        LOAD would tell all masters of a cluster, and fail for one that has nothing to do with the keys.
        """
        given = [*keys, *arguments]
        try:
            return client.evalsha(self.sha, len(keys), *given)
        except NoScriptError:
            return client.eval(self.text, len(keys), *given)

    async def run_async(
        self, client: AsyncClient, keys: Sequence[str], arguments: Iterable[Any]
    ) -> Any:
        """The same in an event loop."""
        given = [*keys, *arguments]
        try:
            return await client.execute_command("EVALSHA", self.sha, len(keys), *given)
        except NoScriptError:
            return await client.execute_command("EVAL", self.text, len(keys), *given)


# ARGV: base, then customer ids. Returns the values, or the position found instead.
LOAD = Script("""
local offset = redis.call('HGET', KEYS[1], 'offset') or '0'
if offset ~= ARGV[1] then return {err = 'POSITION ' .. offset} end
local values = {}
for first = 2, #ARGV, 1000 do
  local part = redis.call('HMGET', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
  for i = 1, #part do values[first - 2 + i] = part[i] end
end
return values
""")

# ARGV: base, least due, offset and count in the range. Returns customer, due, customer, due, ...
LOAD_TIMERS = Script("""
local offset = redis.call('HGET', KEYS[1], 'offset') or '0'
if offset ~= ARGV[1] then return {err = 'POSITION ' .. offset} end
return redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', ARGV[3], ARGV[4])
""")

# ARGV: a customer id. Returns generation and partition record, and the state; any may be missing.
LOOK_UP = Script("""
return {
  redis.call('HMGET', KEYS[1], 'generation', 'partition'), redis.call('HGET', KEYS[2], ARGV[1])
}
""")

# ARGV: cursor, count. Returns the life of the server that answers, and the page with its cursor: only
# in that life the cursor means anything, because every one hashes by a seed of its own.
SCAN = Script("""
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '0'
return {life, redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])}
""")

# ARGV: generation, base, new, partition record, rules record, snapshot record, number of states,
# number of timers, number of removed timers, number of population records; then id, state pairs;
# due, id pairs; ids; name, record pairs.
# The guard: stored = new was applied already; stored > new means somebody else goes on from there;
# stored < base means Redis fell back, or lost everything. Numbers compare as numbers: offsets stay
# below 2^53, where Lua's are exact.
APPLY = Script("""
local found = redis.call('HMGET', KEYS[1], 'generation', 'offset')
local stored = tonumber(found[2] or '0')
local base, new = tonumber(ARGV[2]), tonumber(ARGV[3])
if found[1] and found[1] ~= ARGV[1] then return 'foreign' end
if found[1] and stored == new then return 'already_applied' end
if stored > new then return 'not_owner' end
if stored < base then return 'behind' end
local at = 11
local function each(count, width, run)
  local last = at + count * width - 1
  local step = 500 * width
  for first = at, last, step do run(first, math.min(first + step - 1, last)) end
  at = last + 1
end
each(tonumber(ARGV[7]), 2, function(a, b) redis.call('HSET', KEYS[2], unpack(ARGV, a, b)) end)
each(tonumber(ARGV[8]), 2, function(a, b) redis.call('ZADD', KEYS[3], unpack(ARGV, a, b)) end)
each(tonumber(ARGV[9]), 1, function(a, b) redis.call('ZREM', KEYS[3], unpack(ARGV, a, b)) end)
each(tonumber(ARGV[10]), 2, function(a, b) redis.call('HSET', KEYS[4], unpack(ARGV, a, b)) end)
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'offset', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'partition', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'rules', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'snapshot', ARGV[6]) end
return 'applied'
""")
