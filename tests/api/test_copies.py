"""Copies elsewhere as the server keeps them: by itself after a backup, on request, and on the way back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.patience import wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

COPIES = "/api/admin/copies"


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    (tmp_path / "nas").mkdir()
    return tmp_path / "nas"


@pytest.fixture
def served(exact: ServerProcess, tmp_path: Path, nas: Path) -> Iterator[Served]:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5]})
    config = tmp_path / "sidecar.toml"
    config.write_text(f'[copies.nas]\nurl = "file://{nas}"\nsets = ["main"]\n', encoding="utf-8")
    with Served(exact, tmp_path / "backups", {"SIDECAR_CONFIG": str(config)}) as served:
        yield served


def proven(served: Served) -> int:
    """Of the copy, when nothing is under way."""
    (copy,) = served.get(COPIES).json["copies"]
    is_busy = any(job["state"] == "running" for job in served.get("/api/admin/jobs?kind=copy").json["jobs"])
    return 0 if is_busy else int(copy["sets"]["main"]["backup_count"])


def test_a_backup_is_copied_by_itself_and_comes_back_from_there(served: Served, nas: Path) -> None:
    served.back_up("main")
    wait_for(lambda: proven(served) == 1, lambda: served.get(COPIES).json)

    (copy,) = served.get(COPIES).json["copies"]
    assert (copy["name"], copy["kind"], copy["is_up"]) == ("nas", "file", True)
    status = served.get(f"{BACKUPS}/status?backup_type=main").json["main"]
    newest = status["copies"][0]["newest_copy"]["backup_id"]
    assert (status["copies"][0]["is_late"], newest) == (False, status["newest_restorable"]["backup_id"])
    metrics = served.metrics()
    assert metrics['copy_valid{copy="nas",set="main"}'] == metrics['copy_up{copy="nas"}'] == 1
    assert metrics['copy_lag_backups{copy="nas",set="main"}'] == 0

    data = next(served.directory.glob("seed_backup_*[0-9].json"))
    for path in (data, data.with_name(f"{newest}.meta.json")):
        path.unlink()
    asked = {"from": "nas", "confirm": DB}
    answer = served.post(f"{BACKUPS}/{newest}/restore", asked)
    assert (answer.status, answer.json["success"]) == (200, True), answer.body
    assert list((served.directory / ".fetched").iterdir()) == []

    answer = served.post(f"{BACKUPS}/{newest}/copies/nas/pull")
    assert answer.status == 200, answer.body
    assert data.read_bytes() == (nas / data.name).read_bytes()


def test_a_flipped_byte_is_mended_on_request_and_counted(served: Served) -> None:
    served.back_up("main")
    wait_for(lambda: proven(served) == 1, lambda: served.get(COPIES).json)
    data = next(served.directory.glob("seed_backup_*[0-9].json"))
    whole = data.read_bytes()
    data.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])

    # The sidecar may be about it by itself just now, having looked before the flip.
    wait_for(lambda: served.post(f"{COPIES}/nas/sync").status == 200, lambda: served.get(COPIES).json)

    assert served.metrics()['copy_healed_total{copy="nas",direction="here",set="main"}'] == 1
    assert data.read_bytes() == whole
    assert served.post(f"{BACKUPS}/{data.stem}/copies/nas").json["main"]["success"] is True


def test_a_place_that_is_away_is_said_and_no_backup_fails_for_it(served: Served, nas: Path) -> None:
    served.back_up("main")
    wait_for(lambda: proven(served) == 1, lambda: served.get(COPIES).json)
    nas.rename(nas.with_name("away"))

    served.back_up("main")
    wait_for(lambda: served.metrics()['copy_up{copy="nas"}'] == 0, served.metrics)
    answer = served.post(f"{COPIES}/nas/sync")

    assert (answer.status, answer.json["main"]["code"]) == (503, "copy_unreachable")
    assert str(nas).encode() not in answer.body
    metrics = served.metrics()
    assert metrics['copy_up{copy="nas"}'] == 0
    assert metrics['copy_failures_total{copy="nas",reason="copy_unreachable",set="main"}'] >= 1
    assert metrics['last_run_success{set="main"}'] == 1
    assert served.post(f"{COPIES}/tape/sync").status == 404
