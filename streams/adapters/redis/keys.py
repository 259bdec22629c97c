"""Every key in Redis, described in this one place.

| key | type | what |
|---|---|---|
| `rfm:{N}:customers` | hash | customer id to the encoded state (streams/codec/state.py) |
| `rfm:{N}:timers` | sorted set | customer id by its next due instant, ms since 1970 |
| `rfm:{N}:position` | hash | `generation`, `offset` (next of rfm.state), `partition`, `rules`, `snapshot` |
| `rfm:{N}:population` | hash | `census`; for partition 0 also `gathered:M`, the census of partition M |
| `rfm:sent:A` | string | `begun` or `done`: how far the delivery of action A is; expires |

N is the journal partition; the braces make the keys one slot of a Redis Cluster. A namespace
stands in front: `x:rfm:{N}:customers`.
"""

from typing import NamedTuple


class PartitionKeys(NamedTuple):
    """The keys of one partition, in the order in which the scripts take them."""

    position: str
    customers: str
    timers: str
    population: str


class Keys:
    """Names the keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}:rfm" if namespace else "rfm"

    def sent(self, action_id: str) -> str:
        """How far the delivery of an action is."""
        return f"{self._prefix}:sent:{action_id}"

    @property
    def every_partition(self) -> str:
        """The pattern, as Redis matches names, of all keys of all partitions."""
        return f"{self._prefix}:{{*"

    def partition(self, number: int) -> PartitionKeys:
        """The keys of one journal partition."""
        tag = f"{self._prefix}:{{{number}}}"
        return PartitionKeys(
            f"{tag}:position", f"{tag}:customers", f"{tag}:timers", f"{tag}:population"
        )
