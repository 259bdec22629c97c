"""What the owner of a partition knows of the population, beside its customers' states.

The census of a partition is a function of its states. It is kept as a record in `rfm.state` and a
small change since that record, which travels in the partition record of every commit: so it is
never counted twice, and a recovery need not read every customer to know it.

Partition 0 gathers the censuses of all partitions from its journal and makes snapshots of them. It
gathers in the same way what their customers bought, which the next snapshot says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.codec.journal import decode_input, encode_input
from streams.codec.partition import PartitionRecord
from streams.codec.population import decode_census, encode_census
from streams.core.inputs import CensusTaken, ProductsTaken, SnapshotTaken
from streams.core.population.census import Census
from streams.core.population.products import ProductCensus
from streams.core.population.sales import take_sales
from streams.core.population.snapshot import Sales
from streams.core.population.taking import take_snapshot
from streams.core.rules import Rules

# A change beyond this goes into a new census record, so that partition records stay small.
MAX_CHANGE_BYTES = 4_096
CENSUS_FIELD = "census"
_GATHERED_FIELD = "gathered:"
_PRODUCTS_FIELD = "gathered:p"


@dataclass(slots=True)
class Population:
    """One partition's census and, in partition 0, the latest of every partition.

    `census` is the whole, `change` what differs from the latest census record, `told_ms` the latest
    boundary at which the census was told (0 before the first). `latest` are number and instant of
    the latest snapshot that partition 0 told, which it may not have read yet. `surveyed_ms` is the
    boundary up to which the customers' sales were counted last; `products` are what was counted in
    every partition, as bytes: decoded, those of 16 partitions can be 100 MB.
    """

    census: Census = field(default_factory=Census)
    change: Census = field(default_factory=Census)
    change_bytes: bytes = b""
    told_ms: int = 0
    gathered: dict[int, CensusTaken] = field(default_factory=dict)
    products: dict[int, bytes] = field(default_factory=dict)
    surveyed_ms: int = 0
    latest: tuple[int, int] = (0, -1)


@dataclass(slots=True)
class Counting:
    """What one batch changes in the population; adopted after its commit or dropped with it."""

    change: Census = field(default_factory=Census)
    told_ms: int | None = None
    told: list[CensusTaken] = field(default_factory=list)
    gathered: dict[int, CensusTaken] = field(default_factory=dict)
    products: dict[int, bytes] = field(default_factory=dict)
    surveyed_ms: int | None = None
    snapshots: list[SnapshotTaken] = field(default_factory=list)
    latest: tuple[int, int] = (0, -1)


def boundary_of(now_ms: int, every_ms: int) -> int:
    """The latest instant at or before `now_ms` at which a census is due; in whole periods, UTC."""
    return now_ms - now_ms % every_ms


def tell_census(
    population: Population, counting: Counting, partition: int, boundary_ms: int, now_ms: int
) -> None:
    """Count the partition as of `boundary_ms`, for partition 0 to gather.

    Before the first boundary of a partition there is nothing that a limit could rest on.
    """
    told_ms = population.told_ms if counting.told_ms is None else counting.told_ms
    if told_ms:
        whole = Census()
        whole.merge(population.census)
        whole.merge(counting.change)
        census = {name: list(part) for name, part in whole.to_plain().items()}
        counting.told.append(
            CensusTaken(
                received_at_ms=now_ms, partition=partition, as_of_ms=boundary_ms, census=census
            )
        )
    counting.told_ms = boundary_ms


def gather(
    population: Population,
    counting: Counting,
    record: CensusTaken,
    partitions: int,
    rules: Rules,
    now_ms: int,
) -> None:
    """Take in a partition's census; once those of all are newer than the snapshot, make the next."""
    counting.gathered[record.partition] = record
    gathered = {**population.gathered, **counting.gathered}
    latest, latest_ms = counting.latest
    if len(gathered) < partitions:
        return
    as_of_ms = min(one.as_of_ms for one in gathered.values())
    if as_of_ms <= latest_ms:
        return
    whole = Census()
    for number in sorted(gathered):
        whole.merge(Census.from_plain(gathered[number].census))
    products = {**population.products, **counting.products}
    sales = _sales(products) if len(products) >= partitions else None
    snapshot = take_snapshot(whole, latest + 1, as_of_ms, rules.value_shares_percent, sales)
    counting.latest = (snapshot.number, as_of_ms)
    counting.snapshots.append(SnapshotTaken(received_at_ms=now_ms, snapshot=snapshot))


def gather_products(counting: Counting, record: ProductsTaken) -> None:
    """Take in what the customers of a partition bought; the next snapshot says it."""
    counting.products[record.partition] = encode_input(record)


def _sales(products: Mapping[int, bytes]) -> Sales:
    taken = [
        one
        for number in sorted(products)
        if isinstance(one := decode_input(products[number]), ProductsTaken)
    ]
    whole = ProductCensus()
    whole.merge(*(ProductCensus.from_plain(one.products) for one in taken))
    return take_sales(whole, min(one.as_of_ms for one in taken))


def changed(population: Population, counting: Counting) -> tuple[bytes, bytes | None]:
    """Bytes of the change for the partition record, and of a new census record where one is due."""
    if counting.change.is_empty:
        return population.change_bytes, None
    change = Census()
    change.merge(population.change)
    change.merge(counting.change)
    change_bytes = encode_census(change)
    if len(change_bytes) <= MAX_CHANGE_BYTES:
        return change_bytes, None
    whole = Census()
    whole.merge(population.census)
    whole.merge(counting.change)
    return b"", encode_census(whole)


def adopt(population: Population, counting: Counting, change_bytes: bytes) -> None:
    """Take over what a committed batch changed."""
    if not counting.change.is_empty:
        population.census.merge(counting.change)
        population.change.merge(counting.change)
    if not change_bytes:
        population.change = Census()
    population.change_bytes = change_bytes
    if counting.told_ms is not None:
        population.told_ms = counting.told_ms
    if counting.surveyed_ms is not None:
        population.surveyed_ms = counting.surveyed_ms
    population.gathered |= counting.gathered
    population.products |= counting.products
    population.latest = counting.latest


def gathered_field(partition: int) -> str:
    """Where the store keeps the census that partition 0 gathered of `partition`."""
    return f"{_GATHERED_FIELD}{partition}"


def products_field(partition: int) -> str:
    """Where the store keeps what partition 0 gathered of the sales of `partition`."""
    return f"{_PRODUCTS_FIELD}{partition}"


def field_of(suffix: bytes) -> str:
    """Where the store keeps what `rfm.state` has under the prefix of gathered records + `suffix`."""
    return _GATHERED_FIELD + suffix.decode()


def is_gathered(name: str) -> bool:
    """Whether a record of the store was gathered by partition 0."""
    return name.startswith(_GATHERED_FIELD)


def restore(record: PartitionRecord | None, fields: Mapping[str, bytes]) -> Population:
    """The population of a recovered partition."""
    population = Population()
    census = fields.get(CENSUS_FIELD)
    if census is not None:
        population.census = decode_census(census)
    if record is not None:
        population.told_ms = record.census_at_ms
        population.surveyed_ms = record.surveyed_ms
        population.latest = (record.told_snapshot_number, record.told_snapshot_ms)
        population.change_bytes = record.census_change
        if record.census_change:
            population.change = decode_census(record.census_change)
            population.census.merge(population.change)
    for name, value in fields.items():
        if name.startswith(_PRODUCTS_FIELD):
            population.products[int(name.removeprefix(_PRODUCTS_FIELD))] = value
        elif is_gathered(name) and isinstance(taken := decode_input(value), CensusTaken):
            population.gathered[taken.partition] = taken
    return population
