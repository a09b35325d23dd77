"""MongoDB's BSON corpus, out of the source distribution of PyMongo: downloaded once, kept outside the tree.

What it is: https://github.com/mongodb/specifications/blob/master/source/bson-corpus/bson-corpus.md
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

_RELEASE = "pymongo==4.20.0"
_ARCHIVE = "pymongo-4.20.0.tar.gz"
_SHA256 = "f773b0aec28687587cdeda490463a82debc4566a4a3620dcc8dada9d2c0a1acd"
_FOLDER = "/test/bson_corpus/"


class Case(NamedTuple):
    """A valid case in one of its spellings; `extended_json` is what its canonical Extended JSON reads as."""

    name: str
    bson: bytes
    extended_json: Any


def valid_cases() -> list[Case]:
    return [
        Case(
            f"{suite['description']}: {case['description']} ({spelling})", bytes.fromhex(case[spelling]), extended_json
        )
        for suite in _suites()
        for case in suite.get("valid", ())
        for extended_json in [json.loads(case["canonical_extjson"])]
        for spelling in ("canonical_bson", "degenerate_bson")
        if spelling in case
    ]


def malformed_documents() -> dict[str, bytes]:
    """BSON that every decoder should refuse, as far as its own length is right and it can stand in a batch."""
    return {
        f"{suite['description']}: {case['description']}": raw
        for suite in _suites()
        for case in suite.get("decodeErrors", ())
        for raw in [bytes.fromhex(case["bson"])]
        if len(raw) == int.from_bytes(raw[:4], "little")
    }


def _suites() -> list[dict[str, Any]]:
    with tarfile.open(_archive()) as archive:
        files = [archive.extractfile(member) for member in archive if _FOLDER in member.name and member.isfile()]
        return [json.load(file) for file in files if file is not None]


def _archive() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mongodb-backup-sidecar"
    archive = home / _ARCHIVE
    if not archive.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as folder:
            _download(Path(folder))
            (Path(folder) / _ARCHIVE).replace(archive)  # at once, so that tests beside this one see all of it or none
    return archive


# pip wants a name and a version from the build backend before it hands a source distribution over. This one in the place
# of PyMongo's answers at once; PyMongo's own takes a minute of installing, and its code is not wanted here.
_BACKEND = """
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    import pathlib
    information = pathlib.Path(folder) / "pymongo-4.20.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\\nName: pymongo\\nVersion: 4.20.0\\n")
    return information.name
"""


def _download(folder: Path) -> None:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{_RELEASE} --hash=sha256:{_SHA256}\n")
    backend = folder / "hatchling"
    backend.mkdir()
    (backend / "__init__.py").touch()
    (backend / "build.py").write_text(_BACKEND)
    options = [
        "--no-deps",
        "--no-binary=pymongo",
        "--no-build-isolation",
        "--require-hashes",
        f"--requirement={wanted}",
    ]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, f"--dest={folder}"]
    subprocess.run(command, check=True, timeout=200, env={**os.environ, "PYTHONPATH": str(folder)})
