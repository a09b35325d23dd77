"""deploy/mongodb/roles.json, given to the sidecar on a server that enforces it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from support.rig import DB
from support.servers import ServerProcess

_FILE: Final = Path(__file__).parents[2] / "deploy" / "mongodb" / "roles.json"
DRILLS: Final = "rehearsal"  # what SIDECAR_DRILL_DB names in the tests
SIDECAR: Final = "mongodb-backup-sidecar"  # what it calls itself to the server

ROLES: Final = tuple(json.loads(_FILE.read_text()))

Privileges = Sequence[Mapping[str, Any]]


def privileges(*roles: str, without: str | None = None) -> Privileges:
    """Those of the roles together, for the tests' database; perhaps without an action."""
    text = _FILE.read_text().replace("DATABASE", DB).replace("DRILLS", DRILLS)
    return [
        {**one, "actions": [action for action in one["actions"] if action != without]}
        for role in roles
        for one in json.loads(text)[role]
    ]


def actions(role: str) -> list[str]:
    return [action for one in privileges(role) for action in one["actions"]]


def allow(server: ServerProcess, given: Privileges) -> None:
    with MongoClient[dict[str, Any]](server.uri) as client:
        client["admin"].command({"labRole": list(given), "application": SIDECAR})
