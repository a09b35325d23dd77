"""What is told to people who have no Alertmanager."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.model.severity import Severity


class Channel(StrEnum):
    """The ways in which word leaves the sidecar."""

    HEARTBEAT = "heartbeat"  # per set, to a service that misses it
    WEBHOOK = "webhook"
    MAIL = "mail"


class NoticeState(StrEnum):
    """Whether what is told of has begun, is over, or is only a test."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message."""

    state: NoticeState
    severity: Severity
    set_name: str  # empty if it is about the whole sidecar
    title: str
    text: str
