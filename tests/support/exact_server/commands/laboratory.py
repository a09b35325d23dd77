"""The commands that no MongoDB has: arming faults and hooks, and asking what was sent."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from support.exact_server.errors import CommandError
from support.exact_server.faults import Fault, Hook, Trigger
from support.exact_server.raw_bson import subdocument
from support.exact_server.server import Call, ExactServer, Handler


def _fault(call: Call) -> Mapping[str, Any]:
    call.server.lab.faults.append(Fault.of(call.request))
    return {}


def _hook(call: Call) -> Mapping[str, Any]:
    then = subdocument(call.request.raw, b"then")
    if then is None:
        raise CommandError(2, "labHook needs the command to run as 'then'")
    call.server.lab.hooks.append(Hook(Trigger.of(call.request), then))
    return {}


def _reset(call: Call) -> Mapping[str, Any]:
    """Says how many replies were mutated since the last time."""
    return {"mutated": call.server.lab.disarm()}


def _commands(call: Call) -> Mapping[str, Any]:
    return {"commands": call.server.lab.take_commands()}


def _snapshot_history(call: Call) -> Mapping[str, Any]:
    call.server.clock.lose_history_after(call.request.target)
    return {}


def _role(call: Call) -> Mapping[str, Any]:
    call.server.authorisation.give(str(call.get("application")), list(call.request.target))
    return {}


def _step_down(call: Call) -> Mapping[str, Any]:
    """For ever, or for so many seconds; its cursors are gone, as a server's are that steps down."""
    server = call.server
    server.is_secondary = True
    server.cursors.close_all()
    if seconds := call.get("seconds"):
        asyncio.get_running_loop().call_later(seconds, _step_up, server)
    return {}


def _step_up(server: ExactServer) -> None:
    server.is_secondary = False


HANDLERS: Final[Mapping[str, Handler]] = {
    "labfault": _fault,
    "labhook": _hook,
    "labreset": _reset,
    "labcommands": _commands,
    "labsnapshothistory": _snapshot_history,
    "labrole": _role,
    "labstepdown": _step_down,
}
