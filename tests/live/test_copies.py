"""Copies elsewhere that are too old, damaged, out of reach, without their lock, or waited for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import versitygw
from support.patience import wait_for
from support.patients import EVERY_SIX_SECONDS, NewPatient, Patient

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(600)]

COPIES = "/api/admin/copies"
HALF_A_MINUTE = "max_age_hours = 0.0084\n"


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    (tmp_path / "nas").mkdir()
    return tmp_path / "nas"


@pytest.fixture
def configured(tmp_path: Path, nas: Path) -> Callable[..., dict[str, str]]:
    """Settings with a copy of `main`."""

    def write(more: str = "", url: str = f"file://{nas}") -> dict[str, str]:
        path = tmp_path / "sidecar.toml"
        path.write_text(f'[copies.nas]\nurl = "{url}"\nsets = ["main"]\n{more}', encoding="utf-8")
        return {"SIDECAR_CONFIG": str(path)}

    return write


def sync(one: Patient) -> None:
    """Until it went well: the sidecar may be about it by itself."""
    wait_for(lambda: one.served.post(f"{COPIES}/nas/sync").status == 200, lambda: one.served.get(COPIES).json)


@contextmanager
def away(nas: Path) -> Iterator[None]:
    gone = nas.rename(nas.with_name("away"))
    yield
    gone.rename(nas)


def flip(path: Path) -> bytes:
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    return content


def test_a_copy_that_gets_no_new_backups(
    new_patient: NewPatient, nas: Path, configured: Callable[..., dict[str, str]]
) -> None:
    one = new_patient(EVERY_SIX_SECONDS | configured(HALF_A_MINUTE))
    sync(one)
    with away(nas):
        one.arrives("CopyTooOld", set="main", copy="nas")
    sync(one)
    one.resolves("CopyTooOld")


def test_a_backup_that_is_damaged_here_and_there(
    new_patient: NewPatient, nas: Path, configured: Callable[..., dict[str, str]]
) -> None:
    one = new_patient(configured())
    sync(one)
    newest = one.newest()
    whole = flip(newest)
    flip(nas / newest.name)
    assert one.served.post(f"{COPIES}/nas/sync").status != 200
    one.arrives("CopyDamaged", set="main", copy="nas")
    newest.write_bytes(whole)
    sync(one)
    one.resolves("CopyDamaged")
    assert (nas / newest.name).read_bytes() == whole


def test_a_place_for_copies_that_is_out_of_reach(
    new_patient: NewPatient, nas: Path, configured: Callable[..., dict[str, str]]
) -> None:
    one = new_patient(configured())
    sync(one)
    with away(nas):
        assert one.served.post(f"{COPIES}/nas/sync").status == 503
        one.arrives("CopyUnreachable", copy="nas")
    sync(one)
    one.resolves("CopyUnreachable")


def test_backups_that_wait_to_be_copied(
    new_patient: NewPatient, nas: Path, configured: Callable[..., dict[str, str]]
) -> None:
    one = new_patient(configured())
    sync(one)
    with away(nas):
        for _ in range(4):
            one.served.back_up()
        one.arrives("CopyLagging", set="main", copy="nas")
    sync(one)
    one.resolves("CopyLagging")


def test_copies_that_were_sent_before_a_lock_was_asked_for(
    new_patient: NewPatient, tmp_path: Path, configured: Callable[..., dict[str, str]]
) -> None:
    credentials = {"ACCESS_KEY_ID": versitygw.ACCESS, "SECRET_ACCESS_KEY": versitygw.SECRET}
    secrets = {f"SIDECAR_COPY_NAS_{name}": value for name, value in credentials.items()}
    with versitygw.gateway(tmp_path, versioned=True) as server:
        place = f'endpoint = "{server.endpoint}"\nregion = "{versitygw.REGION}"\npath_style = true\n'
        url = f"s3://{versitygw.BUCKET}/school"
        one = new_patient(configured(place, url) | secrets)
        sync(one)
        assert one.served.stop() == 0
        configured(f"{place}object_lock_days = 1\n", url)
        one.served.start()
        one.arrives("CopyUnlocked", set="main", copy="nas")
        for path in (server.root / versitygw.BUCKET / "school").glob("seed_backup_*"):
            path.unlink()  # and they are sent again
        sync(one)
        one.resolves("CopyUnlocked")
