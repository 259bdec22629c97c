"""What both examples keep: who is in which segment, in SQLite, and how often one was entered.

One transaction of SQLite holds everything that a change does: its effect, its `event_id`, and the
position behind it. So a program that is killed at any instant finds all three, or none of them.
"""

import json
import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS positions (number INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS lists (customer TEXT, scheme TEXT, segment TEXT, sequence INTEGER NOT NULL,
    PRIMARY KEY (customer, scheme));
CREATE TABLE IF NOT EXISTS entered (scheme TEXT, segment TEXT, times INTEGER NOT NULL,
    PRIMARY KEY (scheme, segment));
"""
# The topic keeps changes for 90 days, so no older one can come again.
FORGET_SEEN = "DELETE FROM seen WHERE at < datetime('now', '-91 days')"
SEE = "INSERT OR IGNORE INTO seen (event_id) VALUES (?)"
# Who is in no segment any more was erased, merged or never bought: nothing is to be kept of them.
FORGET_GONE = """DELETE FROM lists WHERE customer = ? AND NOT EXISTS (
    SELECT * FROM lists AS other WHERE other.customer = lists.customer
    AND other.segment NOT IN ('null', '[]'))"""


class SegmentLists:
    """One file, for one running program."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, timeout=30)
        self.db.executescript(TABLES)
        with self.db:
            self.db.execute(FORGET_SEEN)

    def positions(self) -> dict[int, int]:
        """By partition of `segment-changes` where to read on; empty before the start."""
        return dict(self.db.execute("SELECT number, next FROM positions"))

    def start(self, customers: dict[str, bytes], positions: dict[int, int]) -> None:
        """Begin with records of `customer-segments`, at these positions of `segment-changes`."""
        rows = [
            (customer, scheme, json.dumps(now["segment"]), now["sequence"])
            for customer, value in customers.items()
            for scheme, now in json.loads(value)["segments"].items()
        ]
        with self.db:
            self.db.executemany("INSERT INTO lists VALUES (?, ?, ?, ?)", rows)
            self.db.executemany("INSERT INTO positions VALUES (?, ?)", positions.items())

    def apply(self, number: int, offset: int, value: bytes) -> None:
        """Take one change of `segment-changes`; one that was taken before does nothing."""
        change = json.loads(value)
        with self.db:
            self.db.execute("REPLACE INTO positions VALUES (?, ?)", (number, offset + 1))
            if self.db.execute(SEE, (change["event_id"],)).rowcount:
                self._follow(change)

    def _follow(self, change: dict) -> None:
        where = (change["customer_id"], change["scheme"])
        query = "SELECT sequence FROM lists WHERE customer = ? AND scheme = ?"
        known = self.db.execute(query, where).fetchone()
        if known and change["sequence"] <= known[0]:
            return  # `customer-segments` told it already
        if known and change["sequence"] > known[0] + 1:
            raise LookupError(f"changes of {where} are missing: remove the file and start anew")
        row = (*where, json.dumps(change["current"]), change["sequence"])
        self.db.execute("REPLACE INTO lists VALUES (?, ?, ?, ?)", row)
        self.db.execute(FORGET_GONE, where[:1])
        # The effect. Counting shows whether it happens once; yours may be a line in a table of mails
        # to send. What leaves the database, hand out under the event_id, which never changes.
        count = "INSERT INTO entered VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1"
        self.db.execute(count, row[1:3])
