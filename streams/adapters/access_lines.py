"""The table of access as commands: `kafka-acls.sh` for Kafka, `ACL SETUSER` for Redis."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence

from streams.adapters.access import Grant, Operation, Resource


def kafka_lines(grants: Iterable[Grant], principal: str, servers: str) -> list[str]:
    """One call for all resources on which the same is allowed, in the order of the grants."""
    allowed: defaultdict[tuple[Resource, bool, str], list[Operation]] = defaultdict(list)
    for grant in grants:
        allowed[grant.resource, grant.prefixed, grant.name].append(grant.operation)
    alike: defaultdict[tuple[Resource, bool, tuple[Operation, ...]], list[str]] = defaultdict(list)
    for (resource, prefixed, name), operations in allowed.items():
        alike[resource, prefixed, tuple(sorted(operations))].append(name)
    return [
        shlex.join(
            [
                *("kafka-acls.sh", "--bootstrap-server", servers),
                *("--command-config", "admin.properties", "--add"),
                *("--allow-principal", principal),
                *(part for one in operations for part in ("--operation", one)),
                *(("--resource-pattern-type", "prefixed") if prefixed else ()),
                *(part for name in found for part in (f"--{resource}", name)),
            ]
        )
        for (resource, prefixed, operations), found in alike.items()
    ]


def redis_line(rules: Sequence[str], user: str) -> str:
    """The user without a password, so that nobody can log in before it has one."""
    return " ".join(("ACL", "SETUSER", user, "reset", "on", *rules))
