"""Which names are MongoDB's own, and which are the sidecar's. Pure."""

import re

SYSTEM_DATABASES = frozenset({"admin", "local", "config"})
LEASES = "sidecar_leases"  # where sidecars agree who does what
# A collection on its way to its target; versions before this one put the target's name first.
STAGED = re.compile(r"(?:sidecar_restoring_|.+\.restoring_)(?P<run>[0-9a-f]{8})(?:_\d+)?")

_SYSTEM_COLLECTIONS = "system."


def is_system(collection: str) -> bool:
    """Whether a collection is the server's own."""
    return collection.startswith(_SYSTEM_COLLECTIONS)


def is_ours(collection: str) -> bool:
    """Whether a collection is the sidecar's own and no part of the application's data."""
    return collection == LEASES or STAGED.fullmatch(collection) is not None
