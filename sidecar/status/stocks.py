"""The stock of each set, reckoned once for the same backups: an answer costs what changed since the last."""

from datetime import datetime

from sidecar.model import StoredBackup
from sidecar.rules.stock import Stock, stock_of


class Stocks:
    """The last stock of each set, as long as it is the same."""

    def __init__(self) -> None:
        self._known: dict[str, Stock] = {}

    def of(self, name: str, backups: tuple[StoredBackup, ...], now: datetime) -> Stock:
        known = self._known.get(name)
        if known is None or not known.is_of(backups, now):
            known = self._known[name] = stock_of(backups, now)
        return known
