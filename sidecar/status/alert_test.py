"""An alert that somebody asks for, to see whether it reaches a person: a file, so that the command line can ask a server."""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sidecar.logger import Logger
from sidecar.model import Severity
from sidecar.store.durable import note, publish, remove

FILE = ".alert-test.json"

log = Logger(__name__)


class AlertTest(BaseModel):
    """An alert of this severity until then."""

    model_config = ConfigDict(frozen=True)

    severity: Severity
    until: AwareDatetime

    def is_on(self, severity: Severity, now: datetime) -> bool:
        return self.severity is severity and now < self.until


def ask_for(backup_dir: Path, test: AlertTest) -> None:
    """Make the servers on this directory fire the alert. Raises StorageError."""
    path = backup_dir / FILE
    publish(path, test.model_dump_json().encode())


def asked_for(backup_dir: Path) -> AlertTest | None:
    """The last one that was asked for, which may be over. What cannot be read asks for nothing."""
    try:
        return AlertTest.model_validate_json(note(backup_dir / FILE))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("alert_test.unreadable", error=str(error))
        return None


def take_back(backup_dir: Path) -> None:
    """Ask for nothing any more. Raises StorageError."""
    remove(backup_dir / FILE)
