"""Copies elsewhere as the file and the environment describe them."""

from pathlib import Path

from sidecar.config import Copy, Secret, Share, copy_reference_table, describe, load
from sidecar.config.copies import COPY_KEYS
from support.configuration import problems, with_file

KEYS = {
    "SIDECAR_COPY_OFF_SITE_ACCESS_KEY_ID": "AKIA-of-a-test",
    "SIDECAR_COPY_OFF_SITE_SECRET_ACCESS_KEY": "s3cr3t-of-a-test",
}


def test_a_copy_is_what_its_table_and_its_variables_say(tmp_path: Path) -> None:
    text = """
        [copies.off-site]
        url = "s3://school-backups/bus/"
        sets = ["main"]
        limit = 30
        retention_days = 365
        keep_monthly = 24
        max_age_hours = 3
        max_mb_s = 5
        verify_slice = "1/30"
        object_lock_days = 14
        endpoint = "https://s3.example.com"
        region = "eu-central-1"
        path_style = true

        [copies.nas]
        url = "file:///mnt/nas"
    """
    settings = load(with_file(tmp_path, text, **KEYS))

    assert dict(settings.copies) == {
        "off-site": Copy(
            name="off-site",
            url="s3://school-backups/bus",
            sets=("main",),
            kept=(("limit", 30), ("retention_days", 365), ("keep_monthly", 24)),
            max_age_hours=3.0,
            max_mb_s=5.0,
            verify_slice=Share(1, 30),
            object_lock_days=14,
            endpoint="https://s3.example.com",
            region="eu-central-1",
            path_style=True,
            access_key_id=Secret("AKIA-of-a-test"),
            secret_access_key=Secret("s3cr3t-of-a-test"),
        ),
        "nas": Copy(
            name="nas", url="file:///mnt/nas", sets=("main", "attendance"), max_age_hours=26.0, verify_slice=Share(1, 7)
        ),
    }


def test_the_credentials_may_stand_in_files_and_are_shown_to_nobody(tmp_path: Path) -> None:
    files = {}
    for name, value in KEYS.items():
        (tmp_path / name).write_text(f"{value}\n")
        files[f"{name}_FILE"] = str(tmp_path / name)
    environ = with_file(tmp_path, '[copies.off-site]\nurl = "s3://school-backups"\n', **files)
    settings = load(environ)

    assert settings.copies["off-site"].secret_access_key == Secret("s3cr3t-of-a-test")
    assert set(KEYS.values()) <= set(settings.secrets())
    shown = repr(settings) + str(describe(environ))
    assert not [value for value in KEYS.values() if value in shown]
    assert ("copies.off-site.secret_access_key", "***", "file") in describe(environ)


def test_every_problem_of_every_copy_is_told_at_once(tmp_path: Path) -> None:
    text = f"""
        backup_dir = "{tmp_path}/backups"
        [copies.One]
        url = "s3://bucket"
        [copies.two]
        url = "s3://AKIA:secret@bucket/prefix"
        sets = []
        limit = 0
        max_age_hours = -1
        max_mb_s = "fast"
        verify_slice = "7"
        write_only = "yes"
        endpoint = "s3.example.com"
        ca_file = "/absent.pem"
        colour = "red"
        [copies.three]
        url = "file://{tmp_path}/backups/copies"
        [copies.four]
        sets = ["holidays"]
        [copies.five]
        url = "file:///mnt/nas"
        object_lock_days = 3
        region = "x"
        [copies.six]
        url = "s3://bucket/x"
        [copies.seven]
        url = "s3://bucket/x/"
    """
    environ = with_file(
        tmp_path, text, SIDECAR_COPY_SIX_ACCESS_KEY_ID="only one", SIDECAR_COPY_EIGHT_ACCESS_KEY_ID="none"
    )
    found = problems(environ)

    assert [one.partition(": ")[0] for one in found] == [
        "SIDECAR_COPY_EIGHT_ACCESS_KEY_ID",
        "copies.One",
        "copies.two.colour",
        "copies.two.url",
        "copies.two.sets",
        "copies.two.limit",
        "copies.two.max_age_hours",
        "copies.two.max_mb_s",
        "copies.two.verify_slice",
        "copies.two.write_only",
        "copies.two.endpoint",
        "copies.two.ca_file",
        "copies.three.url",
        "copies.four.url",
        "copies.four.sets",
        "copies.five.object_lock_days",
        "copies.five.region",
        "SIDECAR_COPY_SIX_ACCESS_KEY_ID and SIDECAR_COPY_SIX_SECRET_ACCESS_KEY",
        "copies.seven.url",
    ]
    assert not [one for one in found if "secret@" in one]


def test_the_table_of_the_documents_has_every_key() -> None:
    rows = copy_reference_table().splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == [key.name for key in COPY_KEYS]
