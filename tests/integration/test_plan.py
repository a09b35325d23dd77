"""A plan says what a restore would do, document by document, and writes nothing."""

from pathlib import Path

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from sidecar.errors import BackupInvalid, TargetUnsuitable
from sidecar.model import CollectionKind, Manifest
from sidecar.restore.plan import Plan, Planned, plan
from support.rig import BUSES, DB, PEOPLE, Rig, raw, rig
from support.servers import ServerProcess, seed

VALIDATOR = {"$jsonSchema": {"required": ["name"]}}


async def test_documents_are_compared_one_by_one(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        at.lab(delete="users", deletes=[{"q": {"_id": 7}, "limit": 1}])
        at.lab(insert="users", documents=[{"_id": "new"}])
        at.lab(update="users", updates=[{"q": {"_id": 8}, "u": {"$set": {"name": "another"}}}])
        at.lab(drop="buses")
        assert await plan(at.restore_order(manifest)) == Plan(
            (
                Planned(
                    collection="users",
                    kind=CollectionKind.COLLECTION,
                    documents=3000,
                    replaces_documents=3000,
                    inserted=1,
                    replaced=1,
                    unchanged=2998,
                    removed=1,
                ),
                Planned(
                    collection="buses",
                    kind=CollectionKind.COLLECTION,
                    documents=250,
                    replaces_documents=None,
                    inserted=250,
                    replaced=0,
                    unchanged=0,
                    removed=0,
                ),
            ),
            (),
        )


async def test_nothing_is_written(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        at.lab(labCommands=1)
        await plan(at.restore_order(manifest, "copy"))
        sent = {one["name"] for one in at.lab(labCommands=1)["commands"]}
        assert sent.isdisjoint({"insert", "create", "createIndexes", "renameCollection", "drop", "collMod", "update"})


async def test_the_server_is_asked_what_its_validator_would_refuse(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(create="users", validator=VALIDATOR)
        seed(exact.uri, DB, {"users": [{"_id": 1, "name": "$a"}]})
        manifest = await at.back_up()
        at.lab(labCommands=1)
        (line,) = (await plan(at.restore_order(manifest, "copy"))).collections
        pipelines = [one["pipeline"] for one in at.commands("aggregate")]
        asked = [
            {"$documents": {"$literal": [{"_id": 1, "name": "$a"}]}},
            {"$match": {"$nor": [VALIDATOR]}},
            {"$count": "refused"},
        ]
        assert asked in pipelines
        assert line.warnings[0].startswith("its validator could not be tried")  # this server has no $documents


@pytest.mark.parametrize("operator", ["$expr", "$where", "$function", "$accumulator"])
async def test_code_of_a_validator_is_not_run_and_that_is_said(
    operator: str, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1}]})
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(collMod="users", validator={"$or": [{"a": 1}, {operator: "sleep(1000)"}]})
        manifest = await at.back_up()
        at.lab(labCommands=1)
        (line,) = (await plan(at.restore_order(manifest, "copy"))).collections
        sent = at.lab(labCommands=1)["commands"]
        assert not any(operator in str(one["command"]) for one in sent)
        assert line.warnings == (f"validator with server-side code ({operator}): not tried",)


async def test_a_plan_never_calls_a_good_backup_bad(exact: ServerProcess, tmp_path: Path) -> None:
    signalling = Decimal128.from_bid((0x7E << 120).to_bytes(16, "little"))
    odd = [{"_id": 1, "d": signalling}, {"_id": 2, "d": Decimal128("1E+6144")}, {"_id": 3, "d": DatetimeMS(2**62)}]
    seed(exact.uri, DB, {"users": odd})
    async with rig(exact, tmp_path, ["users"]) as at:
        for key, options in (("d", {"unique": True}), ("e", {"expireAfterSeconds": 1.5})):
            at.lab(createIndexes="users", indexes=[{"name": key, "key": {key: 1}, **options}])
        (line,) = (await plan(at.restore_order(await at.back_up(), "copy"))).collections
        assert (line.inserted, line.indexes, line.warnings) == (3, 2, ())


async def test_a_damaged_backup_is_found_by_the_one_reading_of_a_plan(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        path = at.store.directory / manifest.filename
        path.write_bytes(path.read_bytes().replace(b"pupil 17", b"pupil 71"))
        with pytest.raises(BackupInvalid, match=f"{manifest.backup_id}: SHA-256"):
            await plan(at.restore_order(manifest, "copy"))


async def test_a_backup_of_a_newer_server_is_refused_unless_forced(
    exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "the backup is of a server 99.0.1, the target is"
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await newer(at, monkeypatch, "99.0.1")
        (obstacle,) = (await plan(at.restore_order(manifest, "copy"))).obstacles
        assert obstacle.startswith(said)
        with pytest.raises(TargetUnsuitable, match=said):
            await at.restore(manifest, "copy")
        assert at.names("copy") == []
        await at.restore(manifest, "copy", force=True)
        assert at.names("copy") == ["buses", "users"]


async def test_a_collection_that_is_sharded_is_not_put_on_one_shard_unless_forced(
    mongos: ServerProcess, tmp_path: Path
) -> None:
    said = "users is sharded: it would come back on one shard, to be sharded again"
    seed(mongos.uri, DB, {"users": PEOPLE, "buses": BUSES})
    seed(mongos.uri, "config", {"collections": [{"_id": f"{DB}.users"}, {"_id": "other.buses"}]})
    async with rig(mongos, tmp_path) as at:
        manifest = await at.back_up()
        assert (await plan(at.restore_order(manifest))).obstacles == (said,)
        with pytest.raises(TargetUnsuitable, match=said):
            await at.restore(manifest)
        assert (await at.restore(manifest, collections=("buses",))).collections["buses"].documents == len(BUSES)
        await at.restore(manifest, force=True)
        assert at.documents("users") == raw(PEOPLE)


async def newer(at: Rig, monkeypatch: pytest.MonkeyPatch, version: str) -> Manifest:
    async def server_version() -> str:
        return version

    with monkeypatch.context() as patched:
        patched.setattr(at.database, "server_version", server_version)
        return await at.back_up()
