"""How a bucket is asked for."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest

from sidecar.config import Secret
from sidecar.copies.objects import Objects
from support import versitygw
from support.copying import Site, bucket_of, copy_of

CREDENTIALS = {"access_key_id": Secret("key"), "secret_access_key": Secret("secret"), "region": "eu-central-1"}


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "https://backups.s3.eu-central-1.amazonaws.com/school/x"),
        ({"path_style": True}, "https://s3.eu-central-1.amazonaws.com/backups/school/x"),
        ({"endpoint": "https://s3.example.com:9000"}, "https://backups.s3.example.com:9000/school/x"),
        ({"endpoint": "https://s3.example.com", "path_style": True}, "https://s3.example.com/backups/school/x"),
    ],
)
def test_the_bucket_is_named_in_the_host_or_with_path_style_in_the_path(options: dict[str, Any], address: str) -> None:
    objects = Objects(copy_of("s3://backups/school", **CREDENTIALS, **options))
    assert obstore.sign(objects._store, "GET", "x", timedelta(minutes=1)).partition("?")[0] == address


@pytest.mark.copies
@pytest.mark.parametrize("versioned", [False, True])
def test_a_bucket_that_keeps_versions_is_recognised(tmp_path: Path, versioned: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with versitygw.gateway(tmp_path, versioned=versioned) as server:
        site = Site(tmp_path / "backups", bucket_of(server))
        site.make(b"whole", 1)
        site.sync()
        assert not site.mirror.has_work()
        contact = site.copies.standing("offsite", "main").contact
        assert contact is not None
        assert contact.is_versioned is versioned
