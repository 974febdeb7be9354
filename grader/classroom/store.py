"""Every result of a class in one SQLite file; what is in it needs not be graded again.

A result is committed whole before anybody hears of it, so the file is right whenever the process is
killed. Journal mode WAL, synchronous FULL: also when the machine is switched off. Keep the file on a
disk of this machine; SQLite's locks do not hold on network file systems.
"""

import json
import secrets
import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

VERSION = 2
TABLES = """
CREATE TABLE IF NOT EXISTS results (
    student TEXT NOT NULL,     -- key of the hand-in
    submission TEXT NOT NULL,  -- digest of its files
    conditions TEXT NOT NULL,  -- digest of grader, options and data
    state TEXT NOT NULL,       -- graded, refused, failed
    reason TEXT NOT NULL,
    notes TEXT NOT NULL,       -- JSON, a list
    result BLOB,               -- JSON as it goes into result.json
    round INTEGER NOT NULL REFERENCES rounds (id),
    attempts INTEGER NOT NULL,
    seconds REAL NOT NULL,
    waited REAL NOT NULL,
    processor REAL NOT NULL,
    finished TEXT NOT NULL,    -- ISO 8601, UTC
    PRIMARY KEY (student, submission, conditions)
) STRICT;
CREATE TABLE IF NOT EXISTS rounds (
    id INTEGER PRIMARY KEY,
    seed INTEGER NOT NULL,
    given INTEGER NOT NULL,    -- whether the instructor chose it
    began TEXT NOT NULL,
    ended TEXT                 -- NULL: still running, or killed
) STRICT;
CREATE TABLE IF NOT EXISTS audits (
    round INTEGER NOT NULL REFERENCES rounds (id),
    student TEXT NOT NULL,
    deliverable INTEGER NOT NULL,
    PRIMARY KEY (round, student, deliverable)
) STRICT;
"""


class StoreError(ValueError):
    """The file is no class's, or of another version."""


@dataclass(frozen=True)
class Row:
    """One result as it is kept."""

    student: str
    submission: str
    conditions: str
    state: str  # "failed": not graded, and no fault of the submission; the next start tries again
    reason: str
    notes: list[str]
    result: bytes | None
    round: int
    attempts: int = 1
    seconds: float = 0.0
    waited: float = 0.0
    processor: float = 0.0
    finished: str = ""


@dataclass(frozen=True)
class Round:
    """From a first start until everybody has a result: in it, all meet the same draws.

    The seed is secret until then. Results are handed out after it, and with them the seed: whoever
    hands in again is graded in the next round, on other draws.
    """

    id: int
    seed: int


COLUMNS = tuple(field.name for field in fields(Row))


class Store:
    """A class's results.

    Args:
        path: the file; made where there is none.

    Raises:
        StoreError: it is something else.
    """

    def __init__(self, path: Path):
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != VERSION and (version or tables):
                raise StoreError(
                    f"{path}: expected a class's results of version {VERSION}, found another database; keep the "
                    "results of this grader in another folder, --out"
                )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise StoreError(f"{path}: expected a class's results, found no SQLite database: {error}") from None
        except StoreError:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def keep(self, row: Row) -> Row:
        """Commit a result; an earlier one of the same submission under the same conditions is replaced.

        Returns:
            It, with the time at which it was kept.
        """
        row = replace(row, finished=_now())
        values = asdict(row) | {"notes": json.dumps(row.notes)}
        places = ", ".join(f":{name}" for name in COLUMNS)
        self._database.execute(f"INSERT OR REPLACE INTO results ({', '.join(COLUMNS)}) VALUES ({places})", values)
        return row

    def find(self, student: str, submission: str, conditions: str) -> Row | None:
        """What is kept of exactly this."""
        row = self._database.execute(
            f"SELECT {', '.join(COLUMNS)} FROM results WHERE student = ? AND submission = ? AND conditions = ?",
            (student, submission, conditions),
        ).fetchone()
        if row is None:
            return None
        values = dict(zip(COLUMNS, row, strict=True))
        return Row(**values | {"notes": json.loads(values["notes"])})

    def otherwise(self, student: str, submission: str) -> bool:
        """Whether this submission was graded under other conditions."""
        query = "SELECT 1 FROM results WHERE student = ? AND submission = ? AND state = 'graded' LIMIT 1"
        return self._database.execute(query, (student, submission)).fetchone() is not None

    def round(self, seed: int | None = None) -> Round:
        """The round that is open, or a new one.

        Args:
            seed: where the instructor chose one; None for a fresh secret one.
        """
        found = self._database.execute(
            "SELECT id, seed, given FROM rounds WHERE ended IS NULL ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if found and (found[1] == seed if seed is not None else not found[2]):
            return Round(found[0], found[1])
        drawn = secrets.randbits(53) if seed is None else seed  # exact in JSON
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("UPDATE rounds SET ended = ? WHERE ended IS NULL", (_now(),))
        cursor = self._database.execute(
            "INSERT INTO rounds (seed, given, began) VALUES (?, ?, ?)", (drawn, seed is not None, _now())
        )
        self._database.execute("COMMIT")
        return Round(cursor.lastrowid, drawn)

    def end_rounds(self) -> None:
        """Everybody has a result: no seed is a secret any more."""
        self._database.execute("UPDATE rounds SET ended = ? WHERE ended IS NULL", (_now(),))

    def audited(self, round: Round) -> list[tuple[str, int]]:
        """Student and deliverable of the checkpoints drawn for a round's audit; none where nothing was drawn yet."""
        query = "SELECT student, deliverable FROM audits WHERE round = ?"
        return self._database.execute(query, (round.id,)).fetchall()

    def draw_audit(self, round: Round, checkpoints: list[tuple[str, int]]) -> None:
        """Keep what was drawn, so that a run that goes on audits the same."""
        lines = [(round.id, student, deliverable) for student, deliverable in checkpoints]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO audits VALUES (?, ?, ?)", lines)
        self._database.execute("COMMIT")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
