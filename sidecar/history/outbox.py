"""Known problems and the messages that wait to be sent. They are in the record, so that a restart neither loses nor repeats one.

A run and its heartbeat are recorded in the same transaction.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sidecar.errors import Stopped
from sidecar.history.database import RecordFile
from sidecar.model import CALLED_OFF, TOOK_PLACE, Channel, Kind, Notice, NoticeState, Run, Severity
from sidecar.model.moments import moment_of, stored
from sidecar.rules.conditions import Condition, News, changes

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS conditions (
    key TEXT PRIMARY KEY, subject TEXT NOT NULL, set_name TEXT NOT NULL, severity TEXT NOT NULL, words TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, set_name TEXT NOT NULL, content TEXT NOT NULL, made_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER NOT NULL
)
"""
TABLES: Final = ("conditions", "outbox")
FAILURES: Final = "notification_failures"  # a lasting counter, by channel
KEPT: Final = 200  # waiting letters of a channel; the oldest beyond that are dropped
START, END, FAIL = "start", "end", "fail"
_QUIET: Final = frozenset({CALLED_OFF, Stopped.code})  # runs that were ended on purpose send no heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message for one channel. Of heartbeats only the last start and the last end of each set wait."""

    id: str
    channel: Channel
    set_name: str
    content: Mapping[str, Any]
    made_at: datetime
    attempts: int = 0

    def age(self, now: datetime) -> timedelta:
        """Return how old the letter is; 0 if the clock was set back meanwhile."""
        return max(now - self.made_at, timedelta())

    @property
    def notice(self) -> Notice:
        """The notice in a letter for a webhook or mail. Raises ValueError, KeyError or TypeError if it is not valid."""
        said = dict(self.content)
        return Notice(state=NoticeState(said.pop("state")), severity=Severity(said.pop("severity")), **said)


class Outbox:
    """The waiting letters. Methods block; none fails because of the disk."""

    def __init__(self, record: RecordFile) -> None:
        self._db = record

    def note(self, found: Collection[Condition], say: Callable[[News], Iterable[Letter]]) -> list[News]:
        """Remember the problems of now, queue the letters that `say` returns for each change, and return the changes."""
        news: list[News] = []

        def work(connection: sqlite3.Connection) -> None:
            news[:] = changes(_known(connection), found)
            for change in news:
                _remember(connection, change)
                for letter in say(change):
                    put(connection, letter)

        if changes(self._db.ask(_known), found):  # reading is cheaper than writing
            self._db.change(work)
        return news

    def standing(self, set_name: str) -> list[Condition]:
        """Return the known problems of a set."""
        return [one for one in self._db.ask(_known).values() if one.set_name == set_name]

    def waiting(self, channel: Channel) -> list[tuple[Letter, datetime]]:
        """Return the waiting letters of a channel, oldest first, and when each is tried next."""
        query = "SELECT * FROM outbox WHERE channel = ? ORDER BY made_at, id"
        return self._db.ask(lambda connection: [_letter(row) for row in connection.execute(query, (channel,))])

    def drop(self, letter: Letter) -> None:
        """Delete a letter that was delivered or given up. A newer letter with the same id stays."""
        which = (letter.id, stored(letter.made_at))
        self._db.change(lambda c: c.execute("DELETE FROM outbox WHERE id = ? AND made_at = ?", which))

    def postpone(self, letter: Letter, until: datetime) -> None:
        """Note a failed attempt, and when to try again."""
        which = (stored(until), letter.id, stored(letter.made_at))
        statement = "UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id = ? AND made_at = ?"
        self._db.change(lambda c: c.execute(statement, which))

    def keep_only(self, channels: Sequence[Channel], sets: Iterable[str]) -> None:
        """Delete the letters of channels and sets that are not configured any more."""
        places, known = ", ".join("?" * len(channels)), ["", *sets]
        of_sets = ", ".join("?" * len(known))
        statement = f"DELETE FROM outbox WHERE channel NOT IN ({places}) OR set_name NOT IN ({of_sets})"  # noqa: S608 - places
        self._db.change(lambda c: c.execute(statement, (*channels, *known)))


# -- inside a transaction ------------------------------------------------------------------------------------------------


def put(connection: sqlite3.Connection, letter: Letter) -> None:
    """Queue a letter in place of one with the same id, and drop the oldest letters of a full channel."""
    made_at = stored(letter.made_at)
    row = (letter.id, letter.channel, letter.set_name, json.dumps(dict(letter.content)), made_at, 0, made_at)
    connection.execute("INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    oldest = "SELECT id FROM outbox WHERE channel = ? ORDER BY made_at DESC LIMIT -1 OFFSET ?"
    connection.execute(f"DELETE FROM outbox WHERE id IN ({oldest})", (letter.channel, KEPT))  # noqa: S608 - constants


def heartbeat(run: Run, now: datetime) -> Letter | None:
    """Return the heartbeat of a run in its present state, None if it is no backup or was ended on purpose."""
    if run.kind is not Kind.BACKUP or (run.outcome is not None and run.outcome not in TOOK_PLACE) or run.code in _QUIET:
        return None
    signal = START if run.outcome is None else END
    content = {
        "signal": signal,
        "job_id": run.job_id,
        "outcome": run.outcome,
        "backup_id": run.backup_id,
        "words": run.message,
    }
    return of_heartbeat(run.set_name, signal, content, now)


def of_heartbeat(set_name: str, signal: str, content: Mapping[str, Any], now: datetime) -> Letter:
    """Return the letter of a heartbeat; its id is the same for each start of a set, and for each end."""
    place = START if signal == START else END
    return Letter(
        id=f"heartbeat {set_name} {place}", channel=Channel.HEARTBEAT, set_name=set_name, content=content, made_at=now
    )


def of_notice(channel: Channel, notice: Notice, key: str, now: datetime) -> Letter:
    """Return the letter of a notice."""
    content = {**asdict(notice), "state": notice.state.value, "severity": notice.severity.value}
    set_name = notice.set_name
    name = f"{channel} {stored(now)} {key} {notice.state}"
    return Letter(id=name, channel=channel, set_name=set_name, content=content, made_at=now)


def note_run(connection: sqlite3.Connection, run: Run, now: datetime) -> None:
    """Queue the heartbeat of a run. Once a backup has ended, a waiting start of its set is dropped."""
    letter = heartbeat(run, now)
    if run.outcome is not None and run.kind is Kind.BACKUP:
        connection.execute("DELETE FROM outbox WHERE id = ?", (f"heartbeat {run.set_name} {START}",))
    if letter is not None:
        put(connection, letter)


def _known(connection: sqlite3.Connection) -> dict[str, Condition]:
    rows = connection.execute("SELECT key, subject, set_name, severity, words FROM conditions").fetchall()
    return {
        key: Condition(subject=subject, set_name=set_name, severity=Severity(severity), words=words)
        for key, subject, set_name, severity, words in rows
    }


def _remember(connection: sqlite3.Connection, change: News) -> None:
    one = change.condition
    connection.execute("DELETE FROM conditions WHERE key = ?", (one.key,))
    if not change.is_over:
        row = (one.key, one.subject, one.set_name, one.severity, one.words)
        connection.execute("INSERT INTO conditions VALUES (?, ?, ?, ?, ?)", row)


def _letter(row: tuple[Any, ...]) -> tuple[Letter, datetime]:
    name, channel, set_name, content, made_at, attempts, next_at = row
    letter = Letter(
        id=name,
        channel=Channel(channel),
        set_name=set_name,
        content=json.loads(content),
        made_at=moment_of(made_at),
        attempts=int(attempts),
    )
    return letter, moment_of(next_at)
