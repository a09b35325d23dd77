"""What drivers say to any server: who are you, are you there, and goodbye."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from bson.binary import Binary

from support.exact_server.server import Call, Handler
from support.exact_server.wire import BUILD_INFO


def _hello(call: Call) -> Mapping[str, Any]:
    return call.server.hello()


def _nothing(_: Call) -> Mapping[str, Any]:
    return {}


def _build_info(_: Call) -> Mapping[str, Any]:
    return BUILD_INFO


def _connection_status(call: Call) -> Mapping[str, Any]:
    """Nobody is signed in, but for who was given privileges: they are the user of that name's."""
    granted = call.server.authorisation.privileges.get(call.application)
    nobody: list[Mapping[str, Any]] = []
    return {
        "authInfo": {
            "authenticatedUsers": nobody if granted is None else [{"user": call.application, "db": "admin"}],
            "authenticatedUserRoles": nobody,
            "authenticatedUserPrivileges": [
                {"resource": {"db": one.db, "collection": one.collection}, "actions": sorted(one.actions)}
                for one in granted or ()
            ],
        }
    }


def _get_parameter(call: Call) -> Mapping[str, Any]:
    return {
        "featureCompatibilityVersion": {"version": "7.0"},
        "minSnapshotHistoryWindowInSeconds": call.server.settings.history_seconds,
    }


def _start_session(_: Call) -> Mapping[str, Any]:
    return {"id": {"id": Binary(uuid.uuid4().bytes, 4)}, "timeoutMinutes": 30}


HANDLERS: Final[Mapping[str, Handler]] = {
    "hello": _hello,
    "ismaster": _hello,
    "ping": _nothing,
    "endsessions": _nothing,
    "killsessions": _nothing,
    "committransaction": _nothing,
    "aborttransaction": _nothing,
    "buildinfo": _build_info,
    "connectionstatus": _connection_status,
    "getparameter": _get_parameter,
    "startsession": _start_session,
}
