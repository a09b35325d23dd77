"""What a backup does while the server misbehaves, over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import (
    CollectionsChanged,
    CountMismatch,
    CursorFailed,
    DuplicateIds,
    NothingToBackUp,
    SourceError,
    SourceStalled,
    SourceUnavailable,
    StorageFull,
)
from sidecar.model import MB, VERIFIED, BackupId, Consistency, Form, Manifest
from sidecar.mongodb import reader, reading
from sidecar.store.deep import verify_deep
from support.forms import over_forms
from support.rig import BUSES, CODEC, DB, PEOPLE, Rig, raw, rig
from support.servers import ServerProcess, seed

FAULTS = ("error", "close", "garbage", "end", "repeat")


@pytest.fixture(autouse=True)
def many_small_batches_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(reading, "RETRY_SECONDS", 0.01)


def fill(server: ServerProcess) -> None:
    seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES})


def stored(at: Rig, manifest: Manifest) -> dict[str, Any]:
    """The file as any JSON reader sees it."""
    content: dict[str, Any] = json.loads((at.store.directory / manifest.filename).read_text())
    return content


def assert_honest(at: Rig, manifest: Manifest, *, users: int = len(PEOPLE), buses: int = len(BUSES)) -> None:
    """The backup is listed, verifies deep and holds what the server holds."""
    backup_id = BackupId.parse(manifest.backup_id)
    assert backup_id is not None
    assert manifest.collections == {"users": users, "buses": buses}
    assert verify_deep(at.store, backup_id, CODEC) == VERIFIED
    assert at.files() == sorted([manifest.filename, f"{manifest.backup_id}.meta.json"])


async def test_reads_the_whole_set_at_one_cluster_time(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        insert = {"insert": "buses", "documents": [{"_id": "late"}]}
        at.lab(labHook="getMore", collection="users", then=insert, db=DB)
        manifest = await at.back_up()
        assert (manifest.consistency, manifest.notes) == (Consistency.SNAPSHOT, ())
        assert manifest.cluster_time is not None
        assert_honest(at, manifest)
        assert len(at.documents("buses")) == len(BUSES) + 1


async def test_is_one_json_document_with_a_document_a_line(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        content = stored(at, manifest)
        assert list(content) == [
            "backup_id",
            "backup_type",
            "format",
            "format_version",
            "db_name",
            "definitions",
            "collections",
        ]
        assert content["collections"]["buses"][3] == {"_id": {"$numberInt": "3"}, "seats": {"$numberInt": "43"}}
        lines = (at.store.directory / manifest.filename).read_text().count("\n")
        assert lines == 3 + len(PEOPLE) + 1 + len(BUSES) + 1


async def test_keeps_backups_and_metadata_from_other_users(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        await at.back_up()
        modes = {oct(path.stat().st_mode & 0o777) for path in at.store.directory.iterdir() if path.is_file()}
        assert modes == {"0o600"}
        assert oct(at.store.directory.stat().st_mode & 0o777) == "0o700"


async def test_takes_a_second_snapshot_when_the_first_grew_too_old(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        at.lab(labFault="find", action="error", code=239, collection="buses", times=1)
        manifest = await at.back_up()
        assert (manifest.consistency, manifest.notes) == (Consistency.SNAPSHOT, ())
        assert_honest(at, manifest)


async def test_says_so_when_two_snapshots_grew_too_old(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        at.lab(labFault="find", action="error", code=239, collection="buses", times=2)
        manifest = await at.back_up()
        assert manifest.consistency is Consistency.PER_COLLECTION
        assert manifest.cluster_time is None
        assert [note.split(":")[0] for note in manifest.notes] == ["no snapshot"]
        assert_honest(at, manifest)


async def test_does_not_believe_a_snapshot_without_a_cluster_time(lying: ServerProcess, tmp_path: Path) -> None:
    fill(lying)
    async with rig(lying, tmp_path) as at:
        manifest = await at.back_up()
        assert manifest.consistency is Consistency.PER_COLLECTION
        assert manifest.notes == (
            "no snapshot: the server accepts snapshot reads but its replies carry no atClusterTime",
        )
        assert_honest(at, manifest)


async def test_says_why_a_standalone_server_gives_no_snapshot(standalone: ServerProcess, tmp_path: Path) -> None:
    fill(standalone)
    async with rig(standalone, tmp_path) as at:
        manifest = await at.back_up()
        assert manifest.consistency is Consistency.PER_COLLECTION
        assert "replica set" in manifest.notes[0]
        assert_honest(at, manifest)


async def test_lists_a_collection_that_does_not_exist(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path, ["users", "holidays", "buses"]) as at:
        manifest = await at.back_up()
        assert manifest.missing_collections == ("holidays",)
        assert_honest(at, manifest)


async def test_fails_where_nothing_of_the_set_exists(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path) as at:
        with pytest.raises(NothingToBackUp, match="users, buses"):
            await at.back_up()
        assert at.files() == []


@over_forms(command=["find", "getMore"], action=FAULTS, kind=["exact", "standalone"])
async def test_a_cursor_that_fails_once_is_read_again_from_its_start(  # noqa: PLR0913 - what fails, how, where and in which form
    kind: str, action: str, command: str, form: Form, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: ServerProcess = request.getfixturevalue(kind)
    fill(server)
    async with rig(server, tmp_path, form=form) as at:
        at.lab(labFault=command, action=action, collection="users", times=1)
        assert_honest(at, await at.back_up())


@over_forms(command=["find", "getMore"], action=FAULTS, kind=["exact", "standalone"])
async def test_a_cursor_that_always_fails_fails_the_run_and_leaves_nothing(  # noqa: PLR0913 - the same
    kind: str, action: str, command: str, form: Form, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: ServerProcess = request.getfixturevalue(kind)
    fill(server)
    async with rig(server, tmp_path, form=form) as at:
        good = await at.back_up()
        at.lab(labFault=command, action=action, collection="users", times=-1)
        with pytest.raises(CursorFailed, match="users"):
            await at.back_up()
        assert_honest(at, good)
        at.lab(labReset=1)
        assert (await at.back_up()).collections == good.collections


@pytest.mark.parametrize("command", ["listCollections", "listIndexes"])
@pytest.mark.parametrize("action", ["error", "close", "garbage"])
async def test_definitions_that_cannot_be_read_fail_the_run(
    action: str, command: str, exact: ServerProcess, tmp_path: Path
) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        at.lab(labFault=command, action=action, times=-1)
        with pytest.raises(SourceError):
            await at.back_up()
        assert at.files() == []
        at.lab(labReset=1)
        assert_honest(at, await at.back_up())


@pytest.mark.parametrize("command", ["find", "getMore", "listCollections", "listIndexes", "aggregate"])
async def test_a_server_that_never_answers_is_ended_by_the_limit_that_names_itself(
    command: str, exact: ServerProcess, tmp_path: Path
) -> None:
    fill(exact)
    async with rig(exact, tmp_path, stall_seconds=0.3) as at:
        at.lab(labFault=command, action="stall", times=-1)
        with pytest.raises(SourceStalled, match="SIDECAR_STALL_TIMEOUT_SECONDS"):
            await at.back_up()
        assert at.files() == []


@pytest.mark.parametrize("form", [Form.PLAIN, Form.ENCRYPTED])
async def test_outside_a_snapshot_an_id_that_came_twice_is_read_again_in_order(
    form: Form, standalone: ServerProcess, tmp_path: Path
) -> None:
    fill(standalone)
    async with rig(standalone, tmp_path, form=form) as at:
        at.lab(labFault="getMore", action="repeat", collection="users", times=1)
        at.lab(labCommands=1)
        assert_honest(at, await at.back_up())
        finds = [sent for sent in at.commands("find") if sent["find"] == "users"]
        assert [(find.get("sort"), find["hint"]) for find in finds] == [
            (None, {"$natural": 1}),
            ({"_id": 1}, {"_id": 1}),
        ]


async def test_a_cursor_that_never_ends_is_ended(standalone: ServerProcess, tmp_path: Path) -> None:
    fill(standalone)
    async with rig(standalone, tmp_path) as at:
        at.lab(labFault="getMore", action="repeat", collection="users", times=-1)
        with pytest.raises(DuplicateIds, match="_id twice"):
            await at.back_up()
        assert at.files() == []


async def test_a_snapshot_cursor_that_never_ends_is_ended(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        at.lab(labFault="getMore", action="repeat", collection="users", times=-1)
        with pytest.raises(CountMismatch, match="no end"):
            await at.back_up()
        assert at.files() == []


CHANGES: dict[str, list[dict[str, Any]]] = {
    "dropped": [{"drop": "buses"}],
    "re-created": [{"drop": "buses"}, {"create": "buses"}],
    "created": [{"create": "holidays"}],
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_collection_that_changes_identity_in_mid_run_restarts_the_set(
    change: str, exact: ServerProcess, tmp_path: Path
) -> None:
    fill(exact)
    async with rig(exact, tmp_path, ["users", "buses", "holidays"]) as at:
        for command in CHANGES[change]:
            at.lab(labHook="find", collection="buses", then=command, db=DB)
        manifest = await at.back_up()
        expected = {"dropped": ("buses", "holidays"), "re-created": ("holidays",), "created": ()}
        assert manifest.missing_collections == expected[change]
        held = {name: len(at.documents(name)) for name in ("users", "buses", "holidays") if name in at.names()}
        assert manifest.collections == held


async def test_a_set_whose_collections_keep_changing_fails(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path, ["*"]) as at:
        for number in range(2):
            at.lab(labHook="find", collection="buses", skip=number, then={"create": f"newer_{number}"}, db=DB)
        with pytest.raises(CollectionsChanged, match="newer_1"):
            await at.back_up()
        assert at.files() == []


async def test_starts_no_backup_that_has_no_room(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    async with rig(exact, tmp_path) as at:
        with pytest.raises(StorageFull, match="iB are needed"):
            await at.back_up(min_free_bytes=1 << 60)
        assert at.files() == []


async def test_says_that_no_server_is_there(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path) as at:
        exact.kill()
        with pytest.raises(SourceUnavailable):
            await at.back_up()
        assert at.files() == []


async def test_keeps_a_view_as_a_definition_and_an_empty_collection_as_empty(
    exact: ServerProcess, tmp_path: Path
) -> None:
    fill(exact)
    async with rig(exact, tmp_path, ["*"]) as at:
        at.lab(create="holidays")
        at.lab(create="pupils", viewOn="users", pipeline=[{"$match": {}}])
        manifest = await at.back_up()
        assert manifest.collections == {"buses": 250, "holidays": 0, "users": 3000}
        content = stored(at, manifest)
        assert content["definitions"]["pupils"] == {
            "type": "view",
            "options": {"viewOn": "users", "pipeline": [{"$match": {}}]},
            "indexes": [],
        }


async def test_reads_no_faster_than_it_is_told_to(exact: ServerProcess, tmp_path: Path) -> None:
    fill(exact)
    size = sum(map(len, raw(PEOPLE))) + sum(map(len, raw(BUSES)))
    async with rig(exact, tmp_path, max_read_mb_s=size / MB / 0.3) as at:
        manifest = await at.back_up()
        assert manifest.duration_seconds is not None
        assert manifest.duration_seconds > 0.25
