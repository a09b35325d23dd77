"""The command line. Exit codes: 0 good, 1 failed, 2 usage or configuration, 3 a backup is invalid, 4 busy."""

from sidecar.cli import about, alerting, demo, looking, making, returning, serving
from sidecar.cli.running import app, main

__all__ = ["about", "alerting", "app", "demo", "looking", "main", "making", "returning", "serving"]
