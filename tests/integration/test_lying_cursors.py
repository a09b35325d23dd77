"""Whoever reads a live collection sees each document once, or a clear error: a lying cursor fools nobody."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import CursorFailed, DuplicateIds
from sidecar.inspect.compare import Difference, compare_live
from sidecar.model import BackupId, Form, Manifest
from sidecar.mongodb import reader, reading
from sidecar.restore import drill
from sidecar.restore.plan import plan
from sidecar.restore.staging import read_back
from support.forms import over_forms
from support.rig import CODEC, DB, Rig, rig
from support.servers import ServerProcess, seed

USERS = [{"_id": number, "pad": "x" * 100} for number in range(900)]

Read = Callable[[Rig, Manifest], Awaitable[Any]]


@pytest.fixture(autouse=True)
def small_batches_and_little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(reading, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(reading, "RUNAWAY_DOCUMENTS", 100)


async def difference(at: Rig, manifest: Manifest) -> Any:
    backup_id = BackupId.parse(manifest.backup_id)
    assert backup_id is not None
    found = await compare_live((at.store, backup_id), at.database, CODEC, at.store.root)
    return found["users"]


async def planned(at: Rig, manifest: Manifest) -> Any:
    (line,) = (await plan(at.restore_order(manifest))).collections
    return line.inserted, line.replaced, line.unchanged, line.removed


async def rehearsed(at: Rig, manifest: Manifest) -> Any:
    return (await drill.drill(at.restore_order(manifest), "0badcafe")).collections["users"].documents


async def held(at: Rig, manifest: Manifest) -> Any:
    del manifest
    return (await read_back(at.database, DB, (await at.database.collections())["users"], CODEC)).documents


READERS: dict[str, tuple[Read, Any]] = {
    "diff": (difference, Difference(left_documents=900, right_documents=900)),
    "plan": (planned, (0, 0, 900, 0)),
    "drill": (rehearsed, 900),
    "read-back": (held, 900),
}


@over_forms(who=READERS, action=["repeat", "end", "error", "nothing"])
async def test_a_cursor_that_lies_once_is_read_again(
    action: str, who: str, form: Form, lying: ServerProcess, tmp_path: Path
) -> None:
    seed(lying.uri, DB, {"users": USERS})
    read, truth = READERS[who]
    async with rig(lying, tmp_path, ["users"], form) as at:
        manifest = await at.back_up()
        at.lab(labFault="getMore", action=action)
        assert await read(at, manifest) == truth


@pytest.mark.parametrize("who", READERS)
async def test_a_cursor_that_never_ends_ends_the_work_with_an_error(
    who: str, lying: ServerProcess, tmp_path: Path
) -> None:
    seed(lying.uri, DB, {"users": USERS})
    read, _ = READERS[who]
    async with rig(lying, tmp_path, ["users"]) as at:
        manifest = await at.back_up()
        at.lab(labFault="getMore", action="repeat", times=-1)
        with pytest.raises(DuplicateIds, match="_id twice"):
            await read(at, manifest)


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize(
    ("action", "said"),
    [("more", "and no end, the server counts 900"), ("nothing", "replies without documents and does not end")],
)
async def test_a_cursor_that_invents_documents_or_gives_none_for_ever_ends_the_work(
    action: str, said: str, who: str, lying: ServerProcess, tmp_path: Path
) -> None:
    seed(lying.uri, DB, {"users": USERS})
    read, _ = READERS[who]
    async with rig(lying, tmp_path, ["users"]) as at:
        manifest = await at.back_up()
        at.lab(labFault="getMore", action=action, times=-1)
        with pytest.raises(CursorFailed, match=said):
            await read(at, manifest)


async def test_a_count_that_comes_in_a_later_reply_is_waited_for(lying: ServerProcess, tmp_path: Path) -> None:
    seed(lying.uri, DB, {"users": USERS})
    async with rig(lying, tmp_path, ["users"]) as at:
        at.lab(labFault="aggregate", action="nothing", times=-1)
        at.lab(labFault="getMore", action="end", collection="users", skip=3)
        assert (await at.back_up()).collections == {"users": 900}


async def test_a_capped_collection_is_not_read_in_another_order(lying: ServerProcess, tmp_path: Path) -> None:
    newest_first = USERS[::-1]
    async with rig(lying, tmp_path, ["users"]) as at:
        at.lab(create="users", capped=True, size=1 << 20)
        seed(lying.uri, DB, {"users": newest_first})
        at.lab(labFault="getMore", action="repeat")
        await at.restore(await at.back_up(), "copy")
        assert at.documents("users", "copy") == at.documents("users")


async def test_documents_that_are_no_bson_are_an_error_of_the_server(lying: ServerProcess, tmp_path: Path) -> None:
    seed(lying.uri, DB, {"users": USERS})
    async with rig(lying, tmp_path, ["users"]) as at:
        at.lab(labFault="getMore", action="garbage", times=-1)
        with pytest.raises(CursorFailed, match="reading users"):
            await at.back_up()
