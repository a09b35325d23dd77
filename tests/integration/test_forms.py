"""A backup in each form: what it says of itself, what other programs make of it, and every way of reading it."""

import hashlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sidecar.archive.keys import NO_KEYS
from sidecar.bootstrap.service import open_service
from sidecar.config import load
from sidecar.errors import BackupInvalid, IdentityRequired
from sidecar.inspect.compare import Difference, compare_backups, compare_live
from sidecar.inspect.extract import extract
from sidecar.model import BackupId, Encryption, Form, Manifest, Trigger
from sidecar.restore.plan import plan
from sidecar.store.deep import verify_deep
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, verify
from support.forms import IDENTITY, RECIPIENT, every_form
from support.rig import BUSES, CODEC, DB, PEOPLE, Rig, raw, rig
from support.servers import ServerProcess, seed


def id_of(manifest: Manifest) -> BackupId:
    found = BackupId.parse(manifest.backup_id)
    assert found is not None
    return found


def text_by_standard_tools(at: Rig, manifest: Manifest, key: Path) -> bytes:
    """What age and zstd make of the data file."""
    key.write_text(IDENTITY)
    content = (at.store.directory / manifest.filename).read_bytes()
    if manifest.form.is_encrypted:
        command = ["age", "--decrypt", "--identity", str(key)]
        content = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    if manifest.form.is_compressed:
        content = subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True).stdout
    return content


def zstd(what: str, data: Path) -> None:
    subprocess.run(["zstd", "-q", what, data], check=True)


@every_form
async def test_standard_tools_read_what_the_metadata_describes(
    form: Form, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=form) as at:
        made = await at.back_up()
        stored = (at.store.directory / f"{made.backup_id}{form}").read_bytes()
        text = text_by_standard_tools(at, made, tmp_path / "key.txt")
        assert made.filename == f"{made.backup_id}{form}"
        assert (made.checksum, made.file_size_bytes) == (hashlib.sha256(stored).hexdigest(), len(stored))
        assert (made.content_checksum, made.content_size_bytes) == (hashlib.sha256(text).hexdigest(), len(text))
        assert made.compression == ("zstd" if form.is_compressed else None)
        assert made.encryption == (Encryption(recipients=(RECIPIENT,)) if form.is_encrypted else None)
        assert [one["name"] for one in json.loads(text)["collections"]["users"]][:2] == ["pupil 0", "pupil 1"]
        assert at.files() == sorted([made.filename, f"{made.backup_id}.meta.json"])


@every_form
async def test_every_way_of_reading_a_backup(form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:500], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=form) as at:
        made = await at.back_up()
        backup_id = id_of(made)
        assert verify(at.store, backup_id).is_valid
        assert verify_deep(at.store, backup_id, CODEC).is_valid
        restored = await at.restore(made, "copy")
        assert restored.collections == at.manifest(backup_id).collection_details
        assert at.documents("users", "copy") == raw(PEOPLE[:500])
        out = io.BytesIO()
        extract(at.store, backup_id, CODEC, "buses", out, relaxed=False, as_lines=False)
        assert len(json.loads(out.getvalue())) == 3
        side = (at.store, backup_id)
        equal = {"buses": Difference(3, 3), "users": Difference(500, 500)}
        assert compare_backups(side, side, CODEC, at.store.root) == equal
        assert await compare_live(side, at.database, CODEC, at.store.root) == equal
        assert [line.unchanged for line in (await plan(at.restore_order(made))).collections] == [500, 3]


@pytest.mark.parametrize("form", [Form.ENCRYPTED, Form.COMPRESSED_AND_ENCRYPTED])
async def test_without_the_private_key_the_stored_bytes_are_verified_and_the_content_is_not_read(
    form: Form, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=form) as at:
        made = await at.back_up()
        keyless = Rig(at.server, LocalStore(at.store.root, at.store.set, NO_KEYS), at.database)
        backup_id = id_of(made)
        side = (keyless.store, backup_id)
        assert verify(keyless.store, backup_id).is_valid
        with pytest.raises(IdentityRequired, match="no private key that is here opens it"):
            verify_deep(keyless.store, backup_id, CODEC)
        with pytest.raises(IdentityRequired):
            await keyless.restore(made, "copy")
        with pytest.raises(IdentityRequired):
            await plan(keyless.restore_order(made))
        with pytest.raises(IdentityRequired):
            compare_backups(side, side, CODEC, at.store.root)
        with pytest.raises(IdentityRequired):
            await compare_live(side, at.database, CODEC, at.store.root)
        out = io.BytesIO()
        with pytest.raises(IdentityRequired):
            extract(keyless.store, backup_id, CODEC, "buses", out, relaxed=False, as_lines=False)
        assert (out.getvalue(), at.names("copy")) == (b"", [])


@pytest.mark.parametrize("form", [Form.ENCRYPTED, Form.COMPRESSED_AND_ENCRYPTED])
async def test_nothing_beside_the_data_confirms_a_guess_of_the_content(
    form: Form, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=form) as at:
        first, second = await at.back_up(), await at.back_up()
        beside: dict[str, Any] = json.loads((at.store.directory / f"{first.backup_id}.meta.json").read_bytes())
        assert {name: one["fingerprint"] for name, one in beside["collection_details"].items()} == {
            "users": None,
            "buses": None,
        }
        assert first.content_checksum != second.content_checksum, "the text is salted"
        opened = read_manifest(at.store, id_of(first)).collection_details
        assert opened == read_manifest(at.store, id_of(second)).collection_details
        assert all(one.fingerprint for one in opened.values())


async def test_sets_hold_backups_of_every_form_beside_one_another(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    made = []
    for form in Form:
        async with rig(exact, tmp_path, form=form) as at:
            made.append(await at.back_up())
    async with rig(exact, tmp_path) as at:
        assert [one.form for one in made] == list(Form)
        assert all(verify_deep(at.store, id_of(one), CODEC).is_valid for one in made)
        assert len(at.store.scan()) == 4


async def test_who_unpacked_a_file_beside_itself_has_still_one_backup(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=Form.COMPRESSED) as at:
        made = await at.back_up()
        zstd("-d", at.store.directory / made.filename)
        assert [one.id for one in at.store.scan()] == [id_of(made)]
        assert verify_deep(at.store, id_of(made), CODEC).is_valid
        assert (await at.restore(made, "copy")).backup_id == made.backup_id


async def test_compressed_data_cut_between_two_frames_is_refused(exact: ServerProcess, tmp_path: Path) -> None:
    """`zstd -t` finds nothing wrong with it: each frame is whole."""
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    async with rig(exact, tmp_path, form=Form.COMPRESSED) as at:
        made = await at.back_up()
        data = at.store.directory / made.filename
        content = data.read_bytes()
        data.write_bytes(content[: content.rindex(b"\x28\xb5\x2f\xfd")])
        zstd("-t", data)
        assert verify(at.store, id_of(made)).message.startswith("the data has ")
        with pytest.raises(BackupInvalid):
            await at.restore(made, "copy")
        with pytest.raises(BackupInvalid, match="the backup ends in the middle of a line"):
            await plan(at.restore_order(made))
        assert at.names("copy") == []


async def test_no_plain_backup_is_restored_where_what_it_replaces_could_not_be_put_back(
    exact: ServerProcess, tmp_path: Path
) -> None:
    """The safety backup would be encrypted for others."""
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:3]})
    environ = {"MONGO_URL": exact.uri, "DB_NAME": DB, "BACKUP_DIR": str(tmp_path / "backups"), "MIN_STORAGE_MB": "0"}
    async with open_service(load(environ)) as service:
        plain = (await service.back_up("main", Trigger.MANUAL)).manifest
    async with open_service(load({**environ, "SIDECAR_RECIPIENTS": RECIPIENT})) as service:
        order = service.restore_order(plain.backup_id, target_db=None, collections=None)
        with pytest.raises(
            IdentityRequired, match="no private key that is here could put it back; nothing had been replaced"
        ):
            await service.restore(order)
        assert [one.is_safety for one in service.catalog.backups("main")] == [False]
        assert (await service.restore(order, safety=False)).safety is None
