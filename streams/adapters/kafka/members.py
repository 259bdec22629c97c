"""How many members consumer groups have, asked without joining them."""

from collections.abc import Mapping
from typing import Final, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka.config import Config
from streams.adapters.kafka.coverage import Group
from streams.errors import Transient

_REQUEST_TIMEOUT_S: Final = 5.0


class GroupMembers:
    """Asks about `groups`, physical names by the role that they are shown under."""

    def __init__(self, base: Config, groups: Mapping[str, str]) -> None:
        self._base = base
        self._groups = dict(groups)
        self._admin: AdminClient | None = None

    def count(self) -> dict[str, int]:
        """Members by role, 0 for a group that is none; raises `Transient` without an answer.

        A member that died counts until its session times out.
        """
        try:
            if self._admin is None:
                self._admin = AdminClient(self._base)
            return {role: _count(self._admin, group) for role, group in self._groups.items()}
        except KafkaException as error:
            raise Transient(f"members of groups: {error.args[0].str()}") from error


def _count(admin: AdminClient, group: str) -> int:
    # The older call, for the reason told in streams/adapters/kafka/coverage.py; the client's own
    # types for it are wrong.
    found = cast("list[Group]", admin.list_groups(group, timeout=_REQUEST_TIMEOUT_S))
    return sum(len(one.members) for one in found)
