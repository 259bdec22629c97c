"""The scripts that run inside Redis. Each checks first and writes last, so it cannot stop half-way.

Commands of Redis 6.2. KEYS are always position, customers, timers, population of
one partition.
"""

# ARGV: base, then customer ids. Returns the values, or the position found instead.
LOAD = """
local offset = redis.call('HGET', KEYS[1], 'offset') or '0'
if offset ~= ARGV[1] then return {err = 'POSITION ' .. offset} end
local values = {}
for first = 2, #ARGV, 1000 do
  local part = redis.call('HMGET', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
  for i = 1, #part do values[first - 2 + i] = part[i] end
end
return values
"""

# ARGV: base, least due, offset and count in the range. Returns customer, due, customer, due, ...
LOAD_TIMERS = """
local offset = redis.call('HGET', KEYS[1], 'offset') or '0'
if offset ~= ARGV[1] then return {err = 'POSITION ' .. offset} end
return redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', ARGV[3], ARGV[4])
"""

# ARGV: generation, base, new, partition record, rules record, snapshot record, number of states,
# number of timers, number of removed timers, number of population records; then id, state pairs;
# due, id pairs; ids; name, record pairs.
# The guard: stored = new was applied already; stored > new means somebody else goes on from there;
# stored < base means Redis fell back, or lost everything. Numbers compare as numbers: offsets stay
# below 2^53, where Lua's are exact.
APPLY = """
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
"""
