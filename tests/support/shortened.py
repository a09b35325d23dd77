"""The alert rules with days made seconds, so that a test can wait for them. What is compared with what stays as it is.

Every substitution is in this table; the maximum age of a set loses its fixed twenty minutes. How long a condition must
hold becomes a second, but for what a restart also looks like.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from support.alert_rules import RULES

SUBSTITUTIONS = {
    "[30d]": "[60s]",
    "[7d]": "[60s]",
    "[1d]": "[60s]",
    "[12h]": "[15s]",
    "offset 12h": "offset 15s",
    "3 * 24 * 3600": "60",
    "[6h]": "[10s]",
    "[1h]": "[10s]",
    "[10m]": "[15s]",
    "[5m]": "[15s]",
    "interval: 1m": "interval: 1s",
    "interval: 5m": "interval: 1s",
    "mongobackup_max_age_seconds": "(mongobackup_max_age_seconds - 1200)",
    "last_over_time((mongobackup_max_age_seconds - 1200)[60s])": "(last_over_time(mongobackup_max_age_seconds[60s]) - 1200)",
    "duration_seconds, 900)": "duration_seconds, 5)",
    "keep_firing_for: 3m": "keep_firing_for: 1s",
    ") > 300": ") > 3",
    "_timestamp_seconds > 900": "_timestamp_seconds > 40",  # they are refreshed every 15 s
    "(mongobackup_backups_checked_timestamp_seconds) > 900": "(mongobackup_backups_checked_timestamp_seconds) > 40",
    "> 2 * (": "> 1.5 * (",
}
PATIENT = dict.fromkeys(("MongoBackupTargetDown", "MongoBackupMetricsMissing", "MongoBackupTargetNeverUp"), "40s")


def write_rules(directory: Path) -> list[Path]:
    """The rules files, shortened, below a directory. Raises AssertionError where a line of the table finds nothing."""
    texts = [path.read_text() for path in RULES]
    for long, short in SUBSTITUTIONS.items():
        assert any(long in text for text in texts), long
        texts = [text.replace(long, short) for text in texts]
    paths = [directory / path.name for path in RULES]
    for path, text in zip(paths, texts, strict=True):
        path.write_text("".join(_held(text)))
    return paths


def _held(text: str) -> Iterator[str]:
    """The lines, with how long each alert's condition must hold."""
    alert = ""
    for line in text.splitlines(keepends=True):
        alert = line.split()[-1] if "- alert:" in line else alert
        yield (
            re.sub(r"for: \w+", f"for: {PATIENT.get(alert, '1s')}", line) if line.lstrip().startswith("for:") else line
        )
