"""A TOML file beside the environment, and what the loader and the driver have against both."""

from pathlib import Path

import pytest

from sidecar.bootstrap.service import load_settings
from sidecar.errors import ConfigError


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    return list(caught.value.problems)


def with_file(folder: Path, text: str, **environ: str) -> dict[str, str]:
    path = folder / "sidecar.toml"
    path.write_text(text, encoding="utf-8")
    return {"SIDECAR_CONFIG": str(path), **environ}
