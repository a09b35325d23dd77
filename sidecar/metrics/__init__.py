"""What Prometheus is told: the catalogue of metrics and the registry of this process."""

from sidecar.metrics.catalogue import CATALOGUE
from sidecar.metrics.state import State
from sidecar.metrics.telemetry import HEADLINES, Telemetry, every_name, reference_table

__all__ = ["CATALOGUE", "HEADLINES", "State", "Telemetry", "every_name", "reference_table"]
