"""The table of time zones in the core, out of the installed `tzdata`.

`python -m tests.contract.zone_table` renews it.

A test compares. The table is read by streams/core/local_time/zones.py, which shares no code with this.
"""

import struct
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import import_module, resources
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

TABLE = Path(__file__).parents[2] / "streams/core/local_time/zone_table.py"
START_S = 946_684_800  # 2000-01-01T00:00:00Z
_HEADER = struct.Struct(">4sc15x6L")
_TYPE = struct.Struct(">lBB")
_MODULE = '''\
"""Time zones of the tz database since 2000: written by `python -m tests.contract.zone_table`.

A record is `rule;offsets;names` (docs of the rule: `posix_rule.py`). Offsets are minutes of local time
minus UTC: first the one with which 2000 begins, then `minute=offset` for each recorded change, minutes
counted from 1970. The rule says what happens after the last of them.
"""

from typing import Final

VERSION: Final = "{version}"
"""Release of the tz database."""

HISTORIES: Final = """\\
{records}"""
'''


class History(NamedTuple):
    """Seconds throughout: the offset at the start, (instant, offset) of each change, the rule."""

    first_s: int
    changes: tuple[tuple[int, int], ...]
    rule: str


def names() -> list[str]:
    """Every name of the tz database, links included."""
    return resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()


def tzif(name: str) -> bytes:
    """The file of a zone in `tzdata`; never the machine's own."""
    return resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()


def read_history(raw: bytes) -> History:
    """What a TZif file (RFC 9636) of version 2 or later says from 2000 on."""
    # The first block is for readers of version 1; the second has 64 bits.
    start = _block_end(raw, 0, 4)
    magic, version, _, _, _, times, types, _ = _HEADER.unpack_from(raw, start)
    if magic != b"TZif" or version < b"2":
        raise ValueError(
            "a file of tzdata is no TZif of version 2 or later: read it in this module"
        )
    at = start + _HEADER.size
    instants = struct.unpack_from(f">{times}q", raw, at)
    kinds = raw[at + 8 * times : at + 9 * times]
    offsets = [_TYPE.unpack_from(raw, at + 9 * times + 6 * one)[0] for one in range(types)]
    changes = tuple(
        (instant, offsets[kind])
        for instant, kind in zip(instants, kinds, strict=True)
        if instant > START_S
    )
    rule = raw[_block_end(raw, start, 8) :].decode("ascii").strip("\n")
    return History(_first_s(raw), changes, rule)


def _first_s(raw: bytes) -> int:
    # Not from the changes before: the rule may already follow the last of them.
    offset = datetime.fromtimestamp(START_S, ZoneInfo.from_file(BytesIO(raw))).utcoffset()
    return (offset or timedelta()) // timedelta(seconds=1)


def _block_end(raw: bytes, start: int, time_size: int) -> int:
    _, _, utcs, stds, leaps, times, types, characters = _HEADER.unpack_from(raw, start)
    size = times * (time_size + 1) + types * 6 + characters + leaps * (time_size + 4) + stds + utcs
    return start + _HEADER.size + int(size)


def table() -> str:
    """The whole module."""
    by_history: dict[History, list[str]] = {}
    for name in sorted(names()):
        by_history.setdefault(read_history(tzif(name)), []).append(name)
    records = [_record(history, sharing) for history, sharing in by_history.items()]
    version = import_module("tzdata").IANA_VERSION
    return _MODULE.format(version=version, records="\n\n".join(records))


def _record(history: History, sharing: Sequence[str]) -> str:
    first, *later = (
        f"{_minutes(offset)}" for offset in (history.first_s, *(o for _, o in history.changes))
    )
    changes = [
        f"{_minutes(at)}={offset}" for (at, _), offset in zip(history.changes, later, strict=True)
    ]
    return "\n".join(
        textwrap.fill(" ".join(part), 100, break_long_words=False, break_on_hyphens=False)
        for part in ([f"{history.rule};{first}", *changes], [f";{sharing[0]}", *sharing[1:]])
    )


def _minutes(seconds: int) -> int:
    minutes, rest = divmod(seconds, 60)
    if rest:
        raise ValueError(f"{seconds} s are no whole minutes: count in seconds here and in zones.py")
    return minutes


def main() -> int:
    """Renew the table."""
    TABLE.write_text(table(), encoding="utf-8")
    sys.stdout.write(f"{TABLE.name} renewed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
