"""How grave something is."""

from enum import StrEnum


class Severity(StrEnum):
    """As the alert rules have them: to know of, to look at by day, to get up for."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
