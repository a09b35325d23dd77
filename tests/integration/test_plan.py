"""A plan says what a restore would do, document by document, and writes nothing."""

from pathlib import Path

import pytest

from sidecar.errors import TargetUnsuitable
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


async def test_no_javascript_of_a_backup_is_run_by_a_plan(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(create="users", validator={"$and": [{"$expr": {"$function": {"body": "", "args": [], "lang": "js"}}}]})
        seed(exact.uri, DB, {"users": [{"_id": 1}]})
        manifest = await at.back_up()
        at.lab(labCommands=1)
        (line,) = (await plan(at.restore_order(manifest, "copy"))).collections
        assert line.warnings == ("its validator was not tried: it runs JavaScript of the backup ($function)",)
        assert not any("$documents" in one["pipeline"][0] for one in at.commands("aggregate"))


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
