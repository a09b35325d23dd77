"""What ever became of a set's backups, one signed line for each event: what is taken out, moved or changed is found.

Each line holds the SHA-256 of the line before and a signature of itself, so that the signature of the last one covers all. How
far the ledger had come is noted beside it, so that lines cannot be cut off its end. The entry comes before what it tells of: a
process that dies in between leaves it noted in the set's lock, and the next owner of the lock says how it ended.
"""

import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sidecar.archive.signing import Signing
from sidecar.errors import LedgerBroken, StorageError
from sidecar.model import BackupId
from sidecar.store.durable import as_identity, make_private, open_private, publish, sync_directory, write_whole

DIRECTORY: Final = ".ledger"
START: Final = "0" * 64  # what the first line has for the one before
_SIGNATURE: Final = b',"signature":"'
_LISTED: Final = 3  # ids that one problem names


class Event(StrEnum):
    """What became of a backup."""

    ADOPTED = "adopted"  # it was there before the ledger
    CREATED = "created"
    ABANDONED = "abandoned"  # it was to be created, and the process died
    PINNED = "pinned"
    UNPINNED = "unpinned"
    CONFIRMED = "confirmed"
    PRUNED = "pruned"  # by a rule of retention
    DELETED = "deleted"  # by somebody
    KEPT = "kept"  # it was to go, and the process died
    HEALED = "healed"


_THERE: Final = frozenset({Event.ADOPTED, Event.CREATED, Event.KEPT})
_GONE: Final = frozenset({Event.ABANDONED, Event.PRUNED, Event.DELETED})


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a ledger: its number and its hash, to be noted elsewhere."""

    lines: int = 0
    hash: str = START


@dataclass(frozen=True, slots=True)
class Account:
    """What a ledger says, and what is wrong with it as such."""

    head: Head
    there: frozenset[str] = frozenset()  # backups that should be there
    problems: tuple[str, ...] = ()
    complete_bytes: int = 0  # up to the last whole line


class Ledger:
    """The ledger of one set. Nothing is kept where there is no key to sign with. Methods block and raise StorageError."""

    def __init__(self, root: Path, set_name: str, signing: Signing) -> None:
        self._root = root
        self._path = root / DIRECTORY / f"{set_name}.jsonl"
        self._head_path = root / DIRECTORY / f"{set_name}.head.json"
        self._signing = signing
        self._read: tuple[object, Account] | None = None

    @property
    def is_on(self) -> bool:
        return self._signing.is_on

    # -- writing, under the set's lock -----------------------------------------------------------------------------------

    def note(self, event: Event, backup_id: BackupId | None, reason: str = "", **more: Any) -> None:
        """Add a line, durably. Raises LedgerBroken where the ledger is not whole: nothing is written behind what was changed."""
        if self._signing.key is None:
            return
        account = self.account()
        if account.problems:
            raise LedgerBroken(f"{self._path.name}: {account.problems[0]}")
        values = {
            "number": account.head.lines + 1,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "event": event.value,
            "backup_id": str(backup_id) if backup_id else None,
            "reason": reason,
            **more,
            "previous": account.head.hash,
        }
        line = self._signed(values)
        self._append(line, account.complete_bytes)
        head = Head(account.head.lines + 1, _hash(line))
        publish(self._head_path, self._signed({"lines": head.lines, "hash": head.hash}) + b"\n")

    @property
    def is_missing(self) -> bool:
        """Whether there is to be one, and is none."""
        return self._signing.key is not None and self._version() == (None, None)

    def accept(self, there: Collection[BackupId], reason: str) -> None:
        """Enter what is there without an entry, and what is gone without one. A ledger that is not whole is set aside first."""
        before = self.account()
        if before.problems:
            stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
            for path in (self._path, self._head_path):
                with suppress(FileNotFoundError):
                    path.rename(path.with_name(f"{path.name}.aside-{stamp}"))
        known = self.account().there
        for backup_id in sorted(one for one in there if str(one) not in known):
            self.note(Event.ADOPTED, backup_id, reason)
        for gone in sorted(known - {str(one) for one in there}):
            self.note(Event.DELETED, BackupId.parse(gone), reason)

    def settle(self, unfinished: BackupId, *, is_there: bool) -> None:
        """Say how what a process had begun ended, which died over it."""
        if self._signing.key is None or is_there == (str(unfinished) in self.account().there):
            return
        self.note(Event.KEPT if is_there else Event.ABANDONED, unfinished, "its process died")

    def _signed(self, values: Mapping[str, Any]) -> bytes:
        body = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        signature = self._signing.sign(body)
        assert signature is not None  # noqa: S101 - whoever writes has a key
        return body[:-1] + _SIGNATURE + b64encode(signature) + b'"}'

    def _append(self, line: bytes, at: int) -> None:
        try:
            make_private(self._root, self._path.parent)
            is_new = not self._path.exists()
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
            try:
                os.ftruncate(descriptor, at)  # what a process that died had begun to write
                write_whole(descriptor, line + b"\n", at)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                sync_directory(self._path.parent)
        except OSError as error:
            raise StorageError.of(error, f"writing {self._path.name}") from error

    # -- reading ---------------------------------------------------------------------------------------------------------

    def problems(self, there: Collection[BackupId], unfinished: str | None, *, is_any_signed: bool) -> tuple[str, ...]:
        """What contradicts the ledger. `there` are the backups that have metadata, `unfinished` the one that is being written."""
        if not self.is_on:
            return ()
        account = self.account()
        if account.head == Head() and not account.problems:
            return ("the ledger is gone, but there are signed backups",) if is_any_signed else ()
        found = {str(one) for one in there} - {unfinished}
        gone = sorted(account.there - found - {unfinished})
        unknown = sorted(found - account.there)
        said = list(account.problems)
        if gone:
            said.append(f"gone without an entry: {_listed(gone)}")
        if unknown:
            said.append(f"there without an entry: {_listed(unknown)}")
        return tuple(said)

    def account(self) -> Account:
        """Read anew only where the files have changed."""
        version = self._version()
        if self._read is None or self._read[0] != version:
            self._read = version, self._accounted()
        return self._read[1]

    def _version(self) -> tuple[object, object]:
        return _look(self._path), _look(self._head_path)

    def _accounted(self) -> Account:
        noted = _content(self._head_path)  # first: whoever writes meanwhile adds the line before he notes it
        content = _content(self._path)
        head, there, problems = Head(), set[str](), list[str]()
        passed = noted is None
        wanted = self._noted(noted) if noted is not None else None
        if noted is not None and wanted is None:
            problems.append("the note of how far it had come was changed")
        lines = (content or b"").split(b"\n")[
            :-1
        ]  # behind the last newline stands nothing, or what was begun to be written
        end, last = 0, b""
        for number, line in enumerate(lines, 1):
            values = _values(line)
            if values is None or values.get("number") != number or values.get("previous") != head.hash:
                if wanted is None or not passed:  # else the power failed while it was written
                    problems.append(f"line {number} was changed or moved, or one was taken out before it")
                break
            head, end, last = Head(number, _hash(line)), end + len(line) + 1, line
            passed = passed or head == wanted
            _enter(there, values)
        if not problems and last and not self._is_signed(last):
            problems.append(f"line {head.lines} is not signed with a key that counts here")
        if not problems and not passed:
            problems.append(f"it ends at line {head.lines}, and had come to line {wanted.lines if wanted else 0}")
        if not problems and head.lines > 1 and noted is None:  # with the first line it comes into being
            problems.append("the note of how far it had come is gone")
        return Account(head, frozenset(there), tuple(problems), end)

    def _noted(self, noted: bytes) -> Head | None:
        line = noted.removesuffix(b"\n")
        values = _values(line)
        if values is None or not self._is_signed(line):
            return None
        return Head(values.get("lines", 0), values.get("hash", ""))

    def _is_signed(self, line: bytes) -> bool:
        body, mark, rest = line.rpartition(_SIGNATURE)
        with suppress(ValueError):
            return bool(mark) and self._signing.is_signed(
                body + b"}", b64decode(rest.removesuffix(b'"}'), validate=True)
            )
        return False


def _enter(there: set[str], values: Mapping[str, Any]) -> None:
    event, backup_id = values.get("event"), str(values.get("backup_id"))
    if event in _THERE:
        there.add(backup_id)
    elif event in _GONE:
        there.discard(backup_id)


def _values(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _listed(ids: Collection[str]) -> str:
    return ", ".join(list(ids)[:_LISTED]) + (f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else "")


def _look(path: Path) -> object:
    try:
        found = path.lstat()
        return as_identity(found), found.st_ctime_ns
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of(error, f"looking at {path.name}") from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of(error, f"reading {path.name}") from error
