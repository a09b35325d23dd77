"""Check what the configuration needs: MongoDB, its user's rights, the backup directory, the free space and the clock.

Nothing is written or changed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.config import Settings
from sidecar.config.policies import policies
from sidecar.errors import AccessRefused, SidecarError, SourceError, SourceStalled
from sidecar.inspect import rights
from sidecar.model import size
from sidecar.mongodb.database import Database
from sidecar.rules import forecast
from sidecar.rules.counting import GRACE
from sidecar.runtime.threads import in_thread
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings
from sidecar.store.local import LocalStore

WITHIN_SECONDS = 10.0
SUBJECTS = ("MongoDB", "its user's rights", "the backup directory", "its free space", "the clock")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `is_good` is None if it could not be found out."""

    subject: str
    is_good: bool | None
    message: str
    cure: str = ""


async def look(settings: Settings, database: Database) -> list[Check]:
    """Run all checks, and return their results in order."""
    stores = [LocalStore(settings.backup_dir, one) for one in settings.sets.values()]
    found = [one async for one in _server(settings, database)]
    return [
        *found,
        *await in_thread(lambda: [*_directories(stores), _space(settings, stores[0]), *_outlook(settings, stores)]),
    ]


async def _server(settings: Settings, database: Database) -> AsyncIterator[Check]:
    try:
        version = await _version(database)
        yield Check("mongodb", is_good=True, message=f"{settings.mongo_host} answers, version {version}")
    except SourceError as error:
        yield Check("mongodb", is_good=False, message=str(error), cure=error.cure)
        return
    try:
        for one in await _rights(settings, database):
            yield one
    except SourceError as error:
        yield Check("rights", is_good=False, message=str(error), cure=error.cure)
    yield await _clock(database)


async def _version(database: Database) -> str:
    """The server's version. Raises SourceError; usually the driver's own limit ends first, and its error says why."""
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await database.server_version()
    except TimeoutError:
        raise SourceStalled(f"asking MongoDB for its version: no answer within {WITHIN_SECONDS:g} s") from None


async def _rights(settings: Settings, database: Database) -> list[Check]:
    granted = await rights.privileges(database, WITHIN_SECONDS)
    if granted is None:
        list_names = {"listCollections": 1, "nameOnly": True, "cursor": {}}
        await database.command(list_names, within_seconds=WITHIN_SECONDS, otherwise=AccessRefused)
        return [Check("rights", is_good=True, message="the server has no access control: everything is allowed")]
    return [_right(settings, purpose, rights.missing(purpose, granted)) for purpose in rights.purposes(settings)]


def _right(settings: Settings, purpose: rights.Purpose, missing: list[str]) -> Check:
    where = f"the database {purpose.database}" if purpose.database else "every database"
    subject = f"rights: {purpose.name}"
    if not missing:
        return Check(subject, is_good=True, message=f"the user has all that it needs on {where}")
    words = f"the user lacks {', '.join(missing)} on {where}"
    if purpose.name == "restore" and not settings.restore_on_empty:
        cure = "Nothing restores by itself here: restore as a user that may, or give this one the role sidecarRestore."
        return Check(subject, is_good=None, message=words, cure=cure)
    cure = "Make the roles of deploy/mongodb/roles.js and give them to the user"
    if purpose.name == "drill":
        named = "" if purpose.database else " and a database of its own in SIDECAR_DRILL_DB"
        cure += f"{named}, or switch drills off with an empty SIDECAR_DRILL_SCHEDULE"
    return Check(subject, is_good=False, message=words, cure=f"{cure}.")


async def _clock(database: Database) -> Check:
    server = await database.time(WITHIN_SECONDS)
    if server is None:
        return Check("clock", is_good=None, message="the server's reply does not contain its time")
    apart = (datetime.now(UTC) - server).total_seconds()
    words = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} MongoDB's"
    if abs(apart) <= GRACE.total_seconds():
        return Check("clock", is_good=True, message="agrees with MongoDB's" if abs(apart) < 1 else words)
    return Check("clock", is_good=False, message=words, cure="Set both machines' clocks by NTP.")


def _directories(stores: list[LocalStore]) -> Iterator[Check]:
    root = stores[0].root
    if not root.exists():
        yield _new(root)
        return
    for directory, store in {store.directory: store for store in stores}.items():
        if store.is_writable():
            yield Check("directory", is_good=True, message=f"{directory} can be written")
        else:
            yield Check("directory", is_good=False, message=f"{directory} cannot be written", cure=_GIVE)


_GIVE = "Give it to the user that the sidecar runs as, and mount it for writing."  # advice for the backup directory


def _new(root: Path) -> Check:
    above = next(one for one in root.absolute().parents if one.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Check("directory", is_good=True, message=f"{root} does not exist yet and can be made in {above}")
    return Check("directory", is_good=False, message=f"{root} does not exist and cannot be made in {above}", cure=_GIVE)


def _outlook(settings: Settings, stores: list[LocalStore]) -> Iterator[Check]:
    """Check that the backups which retention will keep have room, by the sizes of those stored. No data file is read."""
    now, root = datetime.now(UTC), settings.backup_dir
    try:
        catalog = Catalog({one.set.name: one for one in stores}, Findings(root), reads=False)
        sets = [forecast.stored(catalog.backups(name), one, now) for name, one in policies(settings, now).items()]
        found = forecast.outlook(sets, now, stores[0].space().free, settings.min_storage_bytes)
    except SidecarError:  # the check of the directory reports it
        return
    if found.needed_bytes:
        yield Check("room", is_good=found.is_enough or None, message=str(found), cure=found.cure)


def _space(settings: Settings, store: LocalStore) -> Check:
    try:
        free = store.space().free
    except SidecarError as error:
        return Check("space", is_good=False, message=str(error), cure=error.cure)
    words = f"{size(free)} are free, MIN_STORAGE_MB asks for {size(settings.min_storage_bytes)}"
    if free >= settings.min_storage_bytes:
        return Check("space", is_good=True, message=words)
    return Check("space", is_good=False, message=words, cure="Make room on that file system, or give it more.")
