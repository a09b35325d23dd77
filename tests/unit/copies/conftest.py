"""A place for copies: a second directory, and with `-m copies` a bucket of a real S3 server as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import versitygw
from support.copying import Site, bucket_of, copy_of


@pytest.fixture(params=["directory", pytest.param("bucket", marks=pytest.mark.copies)])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where the files of the copy lie on this machine's disk; the `site` writes there."""
    if request.param == "directory":
        (tmp_path / "nas").mkdir()
        request.node.copy = copy_of(f"file://{tmp_path}/nas")
        yield tmp_path / "nas"
    else:
        with versitygw.gateway(tmp_path) as server:
            request.node.copy = bucket_of(server)
            yield server.root / versitygw.BUCKET / "school"


@pytest.fixture
def site(request: pytest.FixtureRequest, there: Path, tmp_path: Path) -> Site:
    del there
    return Site(tmp_path / "backups", request.node.copy)
