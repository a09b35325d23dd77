"""What a backup is called, and its files."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self

from sidecar.model.form import Form

METADATA, SIGNATURE = ".meta.json", ".meta.sig"  # what the names of the files beside the data end with
PIN, CONFIRMATION = ".pin.json", ".confirmed.json"
MADE_OF = frozenset((METADATA, *Form))  # with any of these there is something of a backup
_ID = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)_(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class BackupId:
    """`<prefix>_YYYYMMDD_HHMMSS`, the second in UTC at which the backup was begun."""

    taken_at: datetime
    prefix: str
    _text: str = field(init=False, repr=False, compare=False)  # asked for a dozen times at each look at the files

    def __post_init__(self) -> None:
        at = self.taken_at  # strftime does not write four digits of every year
        day, time = f"{at.year:04}{at.month:02}{at.day:02}", f"{at.hour:02}{at.minute:02}{at.second:02}"
        object.__setattr__(self, "_text", f"{self.prefix}_{day}_{time}")

    @staticmethod
    @lru_cache(maxsize=1 << 16)  # each look at a directory parses the same names again
    def parse(text: str) -> "BackupId | None":
        """The id that `text` is, or None if it is not one (also for a date that does not exist)."""
        found = _ID.fullmatch(text)
        if found is None:
            return None
        prefix, *parts = found.groups()
        try:
            return BackupId(datetime(*map(int, parts), tzinfo=UTC), prefix)  # type: ignore[arg-type,misc] # six integers
        except ValueError:
            return None

    @classmethod
    def of_file(cls, name: str) -> "BackupId | None":
        """The backup whose data or metadata file would have this name."""
        stem, dot, end = name.partition(".")
        return cls.parse(stem) if dot + end in MADE_OF else None

    @classmethod
    def at(cls, prefix: str, moment: datetime) -> Self:
        return cls(moment.astimezone(UTC).replace(microsecond=0), prefix)

    def next_second(self) -> Self:
        return type(self)(self.taken_at + timedelta(seconds=1), self.prefix)

    @property
    def data_name(self) -> str:
        """Of a backup that is neither compressed nor encrypted."""
        return self.data_name_in(Form.PLAIN)

    def data_name_in(self, form: Form) -> str:
        return f"{self}{form}"

    @property
    def metadata_name(self) -> str:
        return f"{self}{METADATA}"

    @property
    def pin_name(self) -> str:
        return f"{self}{PIN}"

    @property
    def confirmation_name(self) -> str:
        return f"{self}{CONFIRMATION}"

    @property
    def signature_name(self) -> str:
        return f"{self}{SIGNATURE}"

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file that a backup may have, in the order in which they are taken away: it is gone with the first."""
        beside = (self.pin_name, self.confirmation_name, self.signature_name)
        return self.metadata_name, *map(self.data_name_in, Form), *beside

    def __str__(self) -> str:
        return self._text
