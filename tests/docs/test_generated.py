"""What `make generated` writes is what is checked in."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_documents_are_those_that_the_code_would_write_now(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "build.py", tmp_path], check=True)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [str(path) for path in written] == [
        "README.md",
        "docs/cli.md",
        "docs/configuration.md",
        "docs/copies.md",
        "docs/metrics.md",
        "docs/problems.md",
        "docs/sidecar.1",
    ]
    stale = [str(path) for path in written if (tmp_path / path).read_text() != (ROOT / path).read_text()]
    assert stale == [], "say `make generated`"
