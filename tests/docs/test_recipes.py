"""The recipes of CONTRIBUTING.md: no step of them is forgotten, and what they name exists."""

import re
from pathlib import Path

import pytest

from sidecar.archive.choose import CHOICES
from sidecar.config.table import SETTINGS, Setting

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LOADED = (ROOT / "tests" / "unit" / "config" / "test_config.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_setting_is_in_the_test_of_the_loader(setting: Setting) -> None:
    assert f'"{setting.variable}"' in LOADED


def test_every_codec_that_can_be_chosen_is_in_the_contract_suite() -> None:
    held = re.findall(
        r'choose_codec\("(\w+)"\)', (ROOT / "tests" / "support" / "codecs.py").read_text(encoding="utf-8")
    )
    assert sorted(held) == sorted({*CHOICES} - {"auto"})


def test_every_file_that_a_recipe_names_exists() -> None:
    named = {
        *re.findall(r"^--- (\S+)$", CONTRIBUTING, re.MULTILINE),
        *re.findall(r"`((?:\w+/)+\w+\.\w+)`", CONTRIBUTING),
    }
    assert len(named) > 10
    assert {path for path in named if not (ROOT / path).exists()} == set()
