"""`segments publish`: fills `customer-segments` with customers decided before there was such a topic."""

import time
from collections.abc import Callable

import typer

from streams.adapters.kafka.members import GroupMembers
from streams.adapters.kafka.patience import patiently
from streams.adapters.kafka.segment_requests import PATIENCE_S, SegmentRequests
from streams.bootstrap import names_of
from streams.cli.context import check_kafka, count_customers, quiet_settings_of
from streams.cli.help_text import described
from streams.cli.live import open_live
from streams.cli.output import note, progress_bar
from streams.codec.present_segments import CUSTOMER_SEGMENTS
from streams.errors import Transient
from streams.ports import PositionChanged, StateStore
from streams.settings import Settings

# Telling 300 customers takes a decider some 5 ms, the longest that a live event waits behind them.
PAGE = 300
_HELP = described(
    "Tell the present segments of every customer once more in the topic customer-segments: after an "
    "upgrade from a release without it, or when a scheme was switched off. The running deciders do "
    "it, asked through the journal, between live events; repeating it changes nothing.",
    "segments publish",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group `segments`."""
    group.command("publish", help=_HELP)(_publish)


def _publish(ctx: typer.Context) -> None:
    settings = quiet_settings_of(ctx)
    check_kafka(settings, "rfm.journal", CUSTOMER_SEGMENTS)
    live = open_live(settings)
    _check_deciders(settings)
    started_s = time.monotonic()
    requests = SegmentRequests(settings.kafka_config(), names_of(settings))
    try:
        numbers = [one.number for one in live.partitions]
        with progress_bar("Telling segments", count_customers(settings, numbers)) as advance:
            count = request_all(live.store, numbers, requests, advance)
    finally:
        requests.close()
    note(
        f"{count} customers are told in {names_of(settings).topic(CUSTOMER_SEGMENTS)}, in "
        f"{time.monotonic() - started_s:.1f} s; who is in no segment has no record there"
    )


def request_all(
    store: StateStore,
    numbers: list[int],
    requests: SegmentRequests,
    advance: Callable[[int], None],
    patience_s: float = PATIENCE_S,
) -> int:
    """Ask for every customer, one unread page per partition at a time; gives their number.

    Raises `Transient` where nobody answers, or where Redis lost data under the walk.
    """
    walks = {number: _Walk(store, number) for number in numbers}
    count = 0
    while walks:
        pages = {number: walk.next_page() for number, walk in walks.items()}
        asked = {number: page for number, page in pages.items() if page}
        if asked:
            requests.wait_until_answered(requests.journal(asked), patience_s)
        told = sum(map(len, asked.values()))
        count += told
        advance(told)
        walks = {number: walk for number, walk in walks.items() if not walk.is_done}
    return count


class _Walk:
    """One walk through the customers of a partition."""

    def __init__(self, store: StateStore, number: int) -> None:
        self._store = store
        self._number = number
        self._cursor = 0
        self._reached = 0
        self.is_done = False

    def next_page(self) -> list[str]:
        """The next customers, each of them in some page, perhaps in two."""
        try:
            self._cursor, page = self._store.scan_page(self._number, self._cursor, PAGE)
        except PositionChanged as error:
            raise self._fell_back() from error
        position = self._store.position(self._number)
        # A Redis that lost its customers meanwhile would say that these were all.
        if position is None or position.offset < self._reached:
            raise self._fell_back()
        self._reached = position.offset
        self.is_done = self._cursor == 0
        return [customer_id for customer_id, _ in page]

    def _fell_back(self) -> Transient:
        return Transient(
            f"partition {self._number} of Redis fell back meanwhile: wait until it is rebuilt "
            "(`rfm-streams status`), then run this again"
        )


def _check_deciders(settings: Settings) -> None:
    groups = GroupMembers(settings.kafka_config(), {"decide": names_of(settings).group("decide")})
    if not patiently(groups.count)["decide"]:
        raise Transient(
            "nobody decides, and only deciders write that topic: start `rfm-streams run decide`, "
            "then run this again"
        )
