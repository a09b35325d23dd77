"""How a command fails: a code of MongoDB's error_codes.yml and a message."""

from collections.abc import Mapping
from typing import Any, Final

CODE_NAMES: Final[Mapping[int, str]] = {
    2: "BadValue",
    13: "Unauthorized",
    16: "InvalidLength",
    22: "InvalidBSON",
    26: "NamespaceNotFound",
    27: "IndexNotFound",
    43: "CursorNotFound",
    48: "NamespaceExists",
    59: "CommandNotFound",
    72: "InvalidOptions",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    121: "DocumentValidationFailure",
    123: "NotAReplicaSet",
    165: "ViewDepthLimitExceeded",
    166: "CommandNotSupportedOnView",
    175: "QueryPlanKilled",
    239: "SnapshotTooOld",
    246: "SnapshotUnavailable",
    10107: "NotWritablePrimary",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    13435: "NotPrimaryNoSecondaryOk",
}


class CommandError(Exception):
    """A command that is answered with `ok: 0`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def reply(self) -> dict[str, Any]:
        name = CODE_NAMES.get(self.code, f"Location{self.code}")
        return {"ok": 0.0, "errmsg": str(self), "code": self.code, "codeName": name}
