"""The rules for names of databases and collections: which MongoDB accepts, which are its own, which are the sidecar's. Pure."""

import re

SYSTEM_DATABASES = frozenset({"admin", "local", "config"})
LEASES = "sidecar_leases"  # the collection of the leases, by which several sidecars agree on one owner
# A staging collection of a restore; earlier versions put the target's name first.
STAGED = re.compile(r"(?:sidecar_restoring_|.+\.restoring_)(?P<run>[0-9a-f]{8})(?:_\d+)?")

DATABASE_BYTES = 63
DATABASE_PATTERN = r"""[^/\\. "$*<>:|?\x00]{1,63}"""
_DATABASE = re.compile(DATABASE_PATTERN)
_SYSTEM_COLLECTIONS = "system."


def is_system(collection: str) -> bool:
    """Whether a collection belongs to the server."""
    return collection.startswith(_SYSTEM_COLLECTIONS)


def is_ours(collection: str) -> bool:
    """Whether a collection belongs to the sidecar, and not to the application's data."""
    return collection == LEASES or STAGED.fullmatch(collection) is not None


def database_expected(name: str) -> str | None:
    """What is expected instead of this name of a database; None if the name is good."""
    if not name.strip():
        return "the name of a database, not an empty one"
    if name in SYSTEM_DATABASES:
        return f"a database of the application: {name} is MongoDB's own"
    if not _is_utf8(name) or len(name.encode()) > DATABASE_BYTES:
        return f"the name of a database: {DATABASE_BYTES} bytes of UTF-8 at most"
    if not _DATABASE.fullmatch(name):
        return 'the name of a database, without any of / \\ . " $ * < > : | ? and spaces'
    return None


def collection_expected(name: str) -> str | None:
    """What is expected instead of this name of a collection; None if the name is good."""
    if not name.strip():
        return "the name of a collection, not an empty one"
    if not _is_utf8(name) or "$" in name or "\0" in name:
        return "the name of a collection, without $ and NUL"
    return None


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
