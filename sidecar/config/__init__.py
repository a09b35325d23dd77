"""The configuration: frozen settings, the table that describes them, and the one loader that reports every problem at once."""

from sidecar.config.advice import warnings
from sidecar.config.copies import copy_reference_table
from sidecar.config.loader import describe, likely_mistakes, load
from sidecar.config.set_keys import set_reference_table
from sidecar.config.settings import Copy, Secret, Settings, Share
from sidecar.config.table import reference_table

__all__ = [
    "Copy",
    "Secret",
    "Settings",
    "Share",
    "copy_reference_table",
    "describe",
    "likely_mistakes",
    "load",
    "reference_table",
    "set_reference_table",
    "warnings",
]
