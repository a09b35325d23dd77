"""Names that are not ours but look so: what was probably meant, and what Kubernetes made."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

LIKENESS = 0.8  # of two words, 1 being the same
# Kubernetes tells a pod of every Service by such variables; a Service called sidecar, or sidecar-anything, makes ours.
_SERVICE_LINK = re.compile(r"SIDECAR(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://[^/]+:\d+", re.IGNORECASE)
SERVICE_LINKS_CURE = "made by Kubernetes for a Service: set `enableServiceLinks: false` in the pod's spec"


def meant(name: str, known: Collection[str]) -> str:
    """`; did you mean …?` where a known name is like this one, else nothing."""
    found = get_close_matches(name, known, 1, LIKENESS)
    return f"; did you mean {found[0]}?" if found else ""


def misspelt(names: Iterable[str], known: Collection[str]) -> list[tuple[str, str]]:
    """Those that are nearly a known name, with it."""
    pairs = [(name, get_close_matches(name, known, 1, LIKENESS)) for name in names if name not in known]
    return [(name, found[0]) for name, found in pairs if found]


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes made this variable for a Service, so that it is no setting of ours."""
    return bool(_SERVICE_LINK.fullmatch(name)) and (name != "SIDECAR_PORT" or bool(_LINK_VALUE.fullmatch(value)))
