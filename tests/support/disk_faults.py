"""Storage that fails at one system call: a shim, preloaded into a process, that the test steers through a shared file."""

import errno
import random
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

_SOURCE: Final = Path(__file__).with_suffix(".c")
_CONTROL: Final = struct.Struct("qqqqqqqq448s")  # `struct control` of the shim
SHORT_WRITE: Final = 0
ERRORS: Final = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, SHORT_WRITE)


@dataclass(frozen=True)
class Calls:
    """How many system calls on the directory a process made: that look, that need room or change names, that write."""

    reads: int
    changes: int
    writes: int

    def suitable(self, error: int) -> int:
        """Those that can end with such an error."""
        if error == SHORT_WRITE:
            return self.writes
        return self.changes + self.writes + (0 if error in (errno.ENOSPC, errno.EDQUOT) else self.reads)


@dataclass(frozen=True)
class Placement:
    """Which of the suitable calls fails, from 1, with which errno, and whether all that follow fail with it."""

    at: int
    error: int
    lasts: bool

    @classmethod
    def any(cls, chance: random.Random, calls: Calls) -> Self:
        error = chance.choice([error for error in ERRORS if calls.suitable(error)])
        return cls(chance.randint(1, calls.suitable(error)), error, chance.random() < 1 / 3)

    def __str__(self) -> str:
        name = errno.errorcode.get(self.error, "a short write")
        return f"{name} at call {self.at}{' and from then on' if self.lasts else ''}"


NOWHERE: Final = Placement(0, errno.EIO, lasts=False)


class DiskFaults:
    """The faults of the processes that run with `environment`, on paths below a directory."""

    def __init__(self, below: Path, workplace: Path) -> None:
        self._control = workplace / "faults"
        shim = workplace / "faults.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, _SOURCE, "-ldl"], check=True)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(shim),
            "FAULTS_BELOW": str(below),
            "FAULTS_CONTROL": str(self._control),
        }
        self.arm(NOWHERE)

    def arm(self, placement: Placement) -> None:
        """Counts from the first call again."""
        content = _CONTROL.pack(0, 0, 0, 0, 0, placement.at, placement.error, placement.lasts, b"")
        with self._control.open("r+b" if self._control.exists() else "w+b") as file:
            file.write(content)

    def disarm(self) -> None:
        """The fault is gone, also for a process that runs; what was counted stays."""
        with self._control.open("r+b") as file:
            file.seek(struct.calcsize("qqqqq"))
            file.write(bytes(struct.calcsize("q")))

    @property
    def calls(self) -> Calls:
        return Calls(*self._read()[:3])

    @property
    def has_struck(self) -> bool:
        return bool(self._read()[4])

    @property
    def first(self) -> str:
        """The call that met it first, and its path."""
        return str(self._read()[-1].split(b"\0")[0].decode())

    def _read(self) -> tuple[Any, ...]:
        return _CONTROL.unpack(self._control.read_bytes())
