"""How many members consumer groups have, asked without joining them."""

from collections.abc import Collection, Mapping
from typing import Final, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.config import Config
from streams.adapters.kafka.coverage import Group
from streams.errors import Transient

_REQUEST_TIMEOUT_S: Final = 5.0


class GroupMembers:
    """Asks about `groups`, physical names by the role that they are shown under.

    An installation can do without the `optional` roles: one whose group never was is left out.
    """

    def __init__(
        self, base: Config, groups: Mapping[str, str], optional: Collection[str] = ()
    ) -> None:
        self._base = base
        self._groups = dict(groups)
        self._optional = frozenset(optional)
        self._admin: AdminClient | None = None

    def count(self) -> dict[str, int]:
        """Members by role, 0 for a group that is none; raises `Transient` without an answer.

        A member that died counts until its session times out.
        """
        try:
            if self._admin is None:
                self._admin = AdminClient(self._base)
            counts = {role: _count(self._admin, group) for role, group in self._groups.items()}
        except KafkaException as error:
            raise Transient(f"members of groups: {error.args[0].str()}") from error
        return {
            role: count or 0
            for role, count in counts.items()
            if count is not None or role not in self._optional
        }


def _count(admin: AdminClient, group: str) -> int | None:
    """Members of a group; None for one that Kafka does not know."""
    # The older call, for the reason told in streams/adapters/kafka/coverage.py; the client's own
    # types for it are wrong.
    found = cast("list[Group]", admin.list_groups(group, timeout=_REQUEST_TIMEOUT_S))
    return sum(len(one.members) for one in found) if found else None
