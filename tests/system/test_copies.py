"""Copies on a real S3 server while everything goes wrong: `make copies`. The figures are those of docs/copies.md."""

import hashlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.copies import objects, report, resuming
from sidecar.errors import CopyDamaged, SidecarError
from sidecar.events import nobody
from sidecar.rules.mirroring import BOTH_BAD
from support import versitygw
from support.command import Command
from support.copying import Site, bucket_of
from support.fault_proxy import FAULTS as KINDS
from support.fault_proxy import fault_proxy
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed

pytestmark = [pytest.mark.copies, pytest.mark.timeout(3600)]
KILLS, FLIPS, FAULTS, BACKUPS = 500, 300, 1000, 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[versitygw.Gateway]:
    with versitygw.gateway(tmp_path) as server:
        yield server


def bucket(server: versitygw.Gateway) -> Path:
    return server.root / versitygw.BUCKET / "school"


def whole(directory: Path) -> dict[str, bool]:
    """Each backup that has metadata, and whether its data is what that says."""
    found = {}
    for path in sorted(directory.glob("*.meta.json")):
        manifest = json.loads(path.read_bytes())
        data = directory / manifest["filename"]
        found[manifest["backup_id"]] = (
            data.exists() and hashlib.sha256(data.read_bytes()).hexdigest() == manifest["checksum"]
        )
    return found


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("seed_backup_*")}


def flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"emptied before")
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def told(words: str) -> None:
    print(f"\n{words}")  # noqa: T201 - for docs/copies.md


def forked(work: Callable[[], object]) -> int:
    """The id of a child that does the work and ends, however that went."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            with suppress(SidecarError):
                work()
            code = 0
        finally:
            os._exit(code)
    return child


def test_killed_at_random_moments_it_catches_up_and_lists_nothing_that_is_not_whole(
    server: versitygw.Gateway, tmp_path: Path
) -> None:
    dice, there = random.Random(20261128), bucket(server)
    site = Site(tmp_path / "backups", bucket_of(server, kept=(("limit", 6),)))
    for hours in range(12, 0, -1):
        site.make(dice.randbytes(300_000), hours)
    longest = 0.0
    for number in range(KILLS):
        for name in (site.store.directory, there):
            data = sorted(name.glob("seed_backup_*[0-9].json"))
            if data and dice.random() < 0.1:
                (name / dice.choice(data).name).write_bytes(b"") if dice.random() < 0.3 else flip(
                    dice.choice(data), dice
                )
        site.copy = replace(site.copy, kept=(("limit", dice.choice((3, 6))),))
        good = {one for one, is_good in whole(site.store.directory).items() if is_good}
        child, began = forked(lambda: (site.sync(), site.mirror.scrub(nobody), site.sync())), time.monotonic()
        time.sleep(dice.uniform(0, max(longest, 0.3)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            longest = max(longest, time.monotonic() - began)
        assert good <= {one for one, is_good in whole(site.store.directory).items() if is_good}, number
    site.copy = replace(site.copy, kept=(("limit", 6),))
    for _ in range(3):
        _, status = os.waitpid(forked(lambda: (site.mirror.scrub(nobody), site.sync())), 0)
    here, elsewhere = whole(site.store.directory), whole(there)
    restorable = sorted((one for one, is_good in here.items() if is_good), reverse=True)
    assert set(restorable[:6]) <= {one for one, is_good in elsewhere.items() if is_good}
    metadata = {name for name in names(there) if name.endswith(".meta.json")}
    assert names(there) == metadata | {name.replace(".meta.json", ".json") for name in metadata}
    assert not list(site.directory.rglob("*.tmp"))
    told(
        f"{KILLS} kills; here {sum(here.values())} of {len(here)} whole, there {sum(elsewhere.values())} of {len(elsewhere)}"
    )


def test_every_flipped_bit_is_found_and_mended_from_the_other_side(server: versitygw.Gateway, tmp_path: Path) -> None:
    dice, there = random.Random(20261129), bucket(server)
    site = Site(tmp_path / "backups", bucket_of(server))
    one = site.make(dice.randbytes(40_000), 1)
    site.sync()
    content = {name: (site.store.directory / name).read_bytes() for name in (one.data_name, one.metadata_name)}
    mended = {"there": 0, "here": 0, "both": 0}
    for _ in range(FLIPS):
        name = dice.choice(list(content))
        flip(there / name, dice)
        site.mirror.scrub(nobody)
        mended["there"] += len(site.sync().mended_there)
        flip(site.store.directory / name, dice)
        mended["here"] += len(site.sync().mended_here)
        assert all((side / name).read_bytes() == content[name] for side in (there, site.store.directory))
    for _ in range(10):
        for side in (there, site.store.directory):
            flip(side / one.data_name, dice)
        before = [(side / one.data_name).read_bytes() for side in (there, site.store.directory)]
        site.mirror.scrub(nobody)
        with pytest.raises(CopyDamaged, match=BOTH_BAD):
            site.sync()
        assert [(side / one.data_name).read_bytes() for side in (there, site.store.directory)] == before
        mended["both"] += 1
        for side in (there, site.store.directory):
            (side / one.data_name).write_bytes(content[one.data_name])
        site.mirror.scrub(nobody)
    assert mended == {"there": FLIPS, "here": FLIPS, "both": 10}
    told(f"{FLIPS} flips on each side, all found and mended; {mended['both']} on both, said and untouched")


def test_through_a_thousand_faults_of_network_and_provider_the_copies_become_equal(
    server: versitygw.Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "READ_SECONDS", 0.5)
    monkeypatch.setattr(objects, "RETRY_SECONDS", 1.5)
    monkeypatch.setattr(objects, "RETRIES", 1)
    monkeypatch.setattr(resuming, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(report, "FIRST_SECONDS", 0.01)
    dice, there = random.Random(20261130), bucket(server)
    with fault_proxy(server.port, 20261130) as proxy:
        copy = replace(bucket_of(server, kept=(("limit", BACKUPS),)), endpoint=f"http://127.0.0.1:{proxy.port}")
        site = Site(tmp_path / "backups", copy)
        for number in range(BACKUPS):
            site.make(dice.randbytes(2000), BACKUPS - number)
        proxy.left, proxy.share, rounds, sent = FAULTS, 0.1, 0, 0
        while proxy.left > 0 and rounds < FAULTS:
            rounds += 1
            found = site.mirror.sync(nobody)  # what it says it sent lies there, whatever the proxy did
            done, lying_there = [*found.sent, *found.mended_there], whole(there)
            assert all(lying_there[str(one)] for one in done)
            sent += len(done)
            for path in dice.sample(sorted(there.glob("seed_backup_*")), min(20, len(names(there)))):
                path.unlink()  # so that there is always something to send
        proxy.share = 0
        monkeypatch.setattr(objects, "READ_SECONDS", 30)  # a busy machine is no fault
        for _ in range(3):
            with suppress(SidecarError):
                site.mirror.scrub(nobody)
                site.sync()
        assert sum(proxy.met.values()) == FAULTS
        assert not site.mirror.has_work()
    assert {path.name: path.read_bytes() for path in there.glob("seed_backup_*")} == {
        path.name: path.read_bytes() for path in site.store.directory.glob("seed_backup_*")
    }
    assert set(proxy.met) == set(KINDS)
    told(
        f"{FAULTS} faults in {rounds} syncs, {sent} times sent: {dict(sorted(proxy.met.items()))}; "
        f"{BACKUPS} backups equal on both sides"
    )


def test_what_is_locked_cannot_be_removed_with_the_credentials_of_this_host(tmp_path: Path) -> None:
    with versitygw.gateway(tmp_path, versioned=True) as server:
        site = Site(tmp_path / "backups", bucket_of(server, object_lock_days=1, kept=(("limit", 1),)))
        old, new = site.make(b"old" * 1000, 2), site.make(b"new" * 1000, 1)
        site.copies.push("offsite", site.catalog.find(str(old)), nobody)
        assert site.sync().locked == 1
        assert [held.locked_until is not None for held in site.copies.of("offsite", "main").look()] == [True, True]

        status, listing, _ = server.request("GET", f"/{versitygw.BUCKET}", {"versions": ""})
        assert status == 200
        versions = re.findall(rb"<Version>.*?<Key>(.*?)</Key>.*?<VersionId>(.*?)</VersionId>", listing, re.DOTALL)
        versions = versions or re.findall(rb"<Key>(.*?)</Key>.*?<VersionId>(.*?)</VersionId>", listing, re.DOTALL)
        locked = [(key.decode(), version.decode()) for key, version in versions if str(new) in key.decode()]
        assert len(locked) == 2
        for key, version in locked:
            path = f"/{versitygw.BUCKET}/{key}"
            content = server.request("GET", path, {"versionId": version})[1]
            assert server.request("DELETE", path, {"versionId": version})[0] == 403
            server.request("PUT", path, body=b"ransom")
            server.request("DELETE", path)
            assert server.request("GET", path, {"versionId": version})[:2] == (200, content)


def test_no_credential_is_seen_anywhere(server: versitygw.Gateway, exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:20], "buses": BUSES[:2]})
    config = tmp_path / "sidecar.toml"
    config.write_text(
        f'[copies.offsite]\nurl = "s3://{versitygw.BUCKET}/school"\nsets = ["main"]\nendpoint = "{server.endpoint}"\n'
        f'region = "{versitygw.REGION}"\npath_style = true\n',
        encoding="utf-8",
    )
    keys = {"ACCESS_KEY_ID": versitygw.ACCESS, "SECRET_ACCESS_KEY": versitygw.SECRET}
    variables = {f"SIDECAR_COPY_OFFSITE_{name}": value for name, value in keys.items()}
    variables |= {"SIDECAR_CONFIG": str(config), "SIDECAR_LOG_LEVEL": "debug", "RUST_LOG": "debug"}
    command = Command(exact, tmp_path / "backups", variables)
    wrong = Command(
        exact, tmp_path / "backups", variables | {"SIDECAR_COPY_OFFSITE_SECRET_ACCESS_KEY": "wrong" + versitygw.SECRET}
    )
    said = ""
    for one, words in (
        (command, ("backup", "main")),
        (command, ("copies", "sync", "offsite")),
        (command, ("copies", "list", "offsite")),
        (command, ("copies", "status", "--json")),
        (command, ("config", "show")),
        (wrong, ("copies", "sync", "offsite")),
    ):
        ended = one.run(*words)
        assert ended.returncode == (1 if one is wrong else 0), ended.stderr
        said += ended.stdout + ended.stderr
    server.kill()
    ended = command.run("copies", "sync", "offsite")
    assert ended.returncode == 1
    said += ended.stdout + ended.stderr
    kept = b"".join(path.read_bytes() for path in command.directory.rglob("*") if path.is_file())
    sent = b"".join(path.read_bytes() for path in server.root.rglob("*") if path.is_file())
    assert not [value for value in keys.values() if value in said or value.encode() in kept + sent]
