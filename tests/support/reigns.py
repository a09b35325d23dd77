"""Who held a lease when, from the commands that the wire server was sent: what it did with each follows from those before it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sidecar.rules.names import LEASES


@dataclass(frozen=True)
class Write:
    """A heartbeat, a taking or a giving back that the server accepted."""

    at: float
    application: str
    term: int
    owner: str | None  # the process; None where it was given back


@dataclass(frozen=True)
class Read:
    """The first read of a collection for a backup, and who held the lease when it came."""

    at: float
    application: str
    holder: str


@dataclass
class Reigns:
    """Fed with commands in their order, from a lease on that nobody holds."""

    document: dict[str, Any]
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def hear(self, commands: Iterable[Mapping[str, Any]]) -> None:
        for one in commands:
            command = one["command"]
            if one["name"] == "update" and command["update"] == LEASES:
                for update in one["updates"]:
                    self._update(one, update["q"], update["u"]["$set"])
            elif str(command.get("comment", "")).startswith("backup of") and one["name"] == "find":
                self.reads.append(Read(one["at"], one["application"], self.holder))

    @property
    def holder(self) -> str:
        """The application that has it, empty before the first."""
        return self.writes[-1].application if self.writes else ""

    def holder_at(self, moment: float) -> str:
        return next((one.application for one in reversed(self.writes) if one.at <= moment), "")

    def shortest_silence(self) -> float:
        """The shortest time from a sign of life of a process to when another one took the lease from it."""
        pairs = [(before, after) for before, after in pairwise(self.writes) if before.owner not in (None, after.owner)]
        return min((after.at - before.at for before, after in pairs if after.owner), default=math.inf)

    def _update(self, one: Mapping[str, Any], query: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        if all(self.document.get(name) == value for name, value in query.items()):
            self.document.update(values)
            document = self.document
            self.writes.append(Write(one["at"], one["application"], document["term"], document["owner"]))
