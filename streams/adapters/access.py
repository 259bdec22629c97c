"""Who may do what on Kafka and Redis: the least that each role needs, in one table.

A role is what runs under one login. `rfm-streams topics acl` prints the table as commands for both
servers, `docs/security.md` as a table for people, and `tests/integration/test_secured.py` runs every
role under exactly this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from schemas.topics import TOPICS
from streams.adapters.kafka.config import READER_GROUP
from streams.adapters.kafka.names import Names
from streams.adapters.redis.keys import Keys

Resource = Literal["topic", "group", "transactional-id"]
# By Kafka's names. Read, Write and Create include Describe.
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
KeyKind = Literal["states", "sent"]

_ALL: Final = tuple(topic.name for topic in TOPICS)
_PUBLIC: Final = tuple(topic.name for topic in TOPICS if topic.role == "public")
_OUTPUTS: Final = tuple(topic.name for topic in TOPICS if topic.role == "output")
# Every process counts the members of all of them (rfm_group_members).
_PROCESSES: Final = ("intake", "decide", "deliver")


@dataclass(frozen=True, slots=True)
class Grant:
    """One operation on one resource of Kafka; `prefixed` means every name that begins so."""

    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """Keys in Redis. Where `read_only`, a command that could write is refused whatever it is."""

    kind: KeyKind
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What runs under one login. Topics are named as in the table of topics, groups by their role.

    `commands` are those of `rfm-streams`; one that stands in two roles needs both. `joins` is the
    group whose member it is, or whose position it moves; `asks` are topics and `watches` groups of
    which it only wants to know; `transactions` begins its transactional ids.
    """

    name: str
    what: str
    commands: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    compares_settings: bool = False
    creates: bool = False
    reads_alone: bool = True
    joins: str | None = None
    watches: tuple[str, ...] = ()
    transactions: str | None = None
    keys: tuple[KeyGrant, ...] = ()
    redis_commands: tuple[str, ...] = ()


ROLES: Final[tuple[Role, ...]] = (
    Role(
        name="intake",
        what="takes the public topics into the journal",
        commands=("run intake",),
        reads=(*_PUBLIC, "rfm.rules"),
        writes=("rfm.journal", "dead-letters"),
        asks=_ALL,
        compares_settings=True,
        joins="intake",
        watches=_PROCESSES,
        transactions="intake",
        redis_commands=("ping",),
    ),
    Role(
        name="decide",
        what="decides, and writes states, segment changes and actions",
        commands=("run decide",),
        reads=("rfm.journal", "rfm.state", "rfm.rules"),
        writes=("rfm.journal", "rfm.state", *_OUTPUTS, "dead-letters"),
        asks=_ALL,
        compares_settings=True,
        joins="decide",
        watches=_PROCESSES,
        transactions="decide",
        keys=(KeyGrant("states"),),
        redis_commands=(
            *("ping", "info", "evalsha", "eval", "unlink"),
            *("hget", "hmget", "hset", "hscan", "hgetall"),
            *("zadd", "zrem", "zrangebyscore", "zcard", "zcount"),
        ),
    ),
    Role(
        name="deliver",
        what="sends what is decided, and tells what became of it",
        commands=("run deliver",),
        reads=("marketing.actions", "rfm.rules"),
        writes=("marketing.deliveries", "dead-letters"),
        asks=_ALL,
        compares_settings=True,
        joins="deliver",
        watches=_PROCESSES,
        # Not read-only to Redis: it takes every script for one that writes.
        keys=(KeyGrant("states"), KeyGrant("sent")),
        redis_commands=("ping", "evalsha", "eval", "hget", "hmget", "get", "set"),
    ),
    Role(
        name="topics",
        what="creates and compares the topics",
        commands=("topics create", "topics describe"),
        asks=_ALL,
        compares_settings=True,
        creates=True,
    ),
    Role(
        name="rules",
        what="journals rules, and holds campaigns",
        commands=(
            *("rules show", "rules apply"),
            *("campaigns arm", "campaigns disarm", "campaigns pause", "campaigns resume"),
        ),
        reads=("rfm.rules",),
        writes=("rfm.rules", "rfm.journal"),
        transactions="rules",
    ),
    Role(
        name="status",
        what="watches how far everything is",
        commands=("status",),
        # Records just ahead of a position are counted, because control records are none.
        reads=(*_PUBLIC, "rfm.journal", "rfm.state", "dead-letters"),
        watches=("intake", "decide"),
        keys=(KeyGrant("states", read_only=True),),
        redis_commands=("ping", "info", "hmget", "zcard", "zcount"),
    ),
    Role(
        name="insight",
        what="reads customers, segments and outcomes, personal data among them",
        commands=(
            *("export", "inspect", "explain"),
            *("segments", "segments history", "segments flow", "segments coverage"),
            *("thresholds", "thresholds suggest"),
            *("campaigns list", "campaigns show", "campaigns check", "campaigns dry-run"),
            *("campaigns preview", "campaigns outcomes", "campaigns arm", "campaigns resume"),
        ),
        reads=("rfm.journal", "rfm.state", "rfm.rules", "segment-changes", "campaign.outcomes"),
        # Not read-only to Redis: it takes every script for one that writes.
        keys=(KeyGrant("states"),),
        redis_commands=("ping", "info", "evalsha", "eval", "hget", "hmget", "hscan"),
    ),
    Role(
        name="present-segments",
        what="has every customer's present segments told once more",
        commands=("segments publish",),
        reads=("rfm.state",),
        writes=("rfm.journal",),
        asks=("customer-segments",),
        watches=("decide",),
        transactions="segments",
        # As `insight`: its walk through the customers is a script.
        keys=(KeyGrant("states"),),
        redis_commands=("ping", "info", "evalsha", "eval", "hget", "hmget", "hlen"),
    ),
    Role(
        name="dead-letters",
        what="reads refused records, personal data among them, and sends them again",
        commands=("dead-letters list", "dead-letters show", "dead-letters retry"),
        reads=("dead-letters",),
        writes=_PUBLIC,
        joins="retry",
        transactions="retry",
    ),
    Role(
        name="rebuild",
        what="wipes Redis and builds it anew",
        commands=("redis rebuild",),
        reads=("rfm.state",),
        keys=(KeyGrant("states"),),
        redis_commands=(
            *("ping", "info", "evalsha", "eval", "unlink"),
            *("hlen", "hmget", "hset", "hgetall", "zadd", "zrem"),
        ),
    ),
    Role(
        name="shop",
        what="sends events, as `publish` does",
        commands=("publish",),
        writes=_PUBLIC,
        reads_alone=False,
    ),
    Role(
        name="subscriber",
        what="reads segment changes, actions and outcomes, in groups that begin with its own name",
        reads=_OUTPUTS,
        reads_alone=False,
    ),
)
ROLE_BY_NAME: Final[dict[str, Role]] = {role.name: role for role in ROLES}
# It works on topics and groups of two generations at once, while nothing else runs.
COMMANDS_OF_ADMINISTRATORS: Final = ("repartition",)
# They ask neither server, or bring servers of their own.
COMMANDS_WITHOUT_LOGIN: Final = (
    "demo", "replay", "backtest", "schemas export", "check-settings", "topics acl",
)  # fmt: skip


def kafka_grants(roles: Iterable[Role], names: Names, user: str) -> tuple[Grant, ...]:
    """What `roles` together need on Kafka, each grant once; `user` is the principal's bare name."""
    return tuple(dict.fromkeys(grant for role in roles for grant in _grants(role, names, user)))


def _grants(role: Role, names: Names, user: str) -> Iterable[Grant]:
    for topic in role.reads:
        yield Grant("topic", names.topic(topic), "Read")
    for topic in role.writes:
        yield Grant("topic", names.topic(topic), "Write")
    for topic in role.asks:
        if role.creates:
            yield Grant("topic", names.topic(topic), "Create")
        # Included in others, and said all the same: where only another is missing, that one is named.
        yield Grant("topic", names.topic(topic), "Describe")
        if role.compares_settings:
            yield Grant("topic", names.topic(topic), "DescribeConfigs")
    if role.joins is not None:
        yield Grant("group", names.group(role.joins), "Read")
    for group in role.watches:
        if group != role.joins:
            yield Grant("group", names.group(group), "Describe")
    if role.name == "subscriber":
        yield Grant("group", user, "Read", prefixed=True)
    if role.reads_alone:
        yield Grant("group", READER_GROUP, "Describe")
    if role.transactions is not None:
        prefix = names.transactional_id(role.transactions, "")
        yield Grant("transactional-id", prefix, "Write", prefixed=True)


def redis_rules(roles: Iterable[Role], namespace: str) -> tuple[str, ...]:
    """What `roles` together need in Redis, in the words of ACL SETUSER; empty where they need none."""
    known = tuple(roles)
    granted = {key for role in known for key in role.keys}
    # What one role may write, another's narrower grant must not narrow.
    patterns = dict.fromkeys(
        _pattern(key, namespace)
        for role in known
        for key in role.keys
        if not (key.read_only and KeyGrant(key.kind) in granted)
    )
    commands = dict.fromkeys(f"+{one}" for role in known for one in role.redis_commands)
    if not commands:
        return ()
    # For a database other than 0. What else the client says when it connects (CLIENT SETINFO) it
    # can do without; older servers do not know it and would refuse the whole rule.
    return (*patterns, "+select", *commands)


def _pattern(key: KeyGrant, namespace: str) -> str:
    keys = Keys(namespace)
    pattern = keys.every_partition if key.kind == "states" else keys.sent("*")
    return f"%R~{pattern}" if key.read_only else f"~{pattern}"
