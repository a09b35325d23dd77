"""Which codec runs, with and without the native one."""

import sys

import pytest

from sidecar.archive import choose
from sidecar.archive.choose import choose_codec, codec_in_use
from sidecar.config import describe, load
from sidecar.errors import ConfigError


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only the main distribution is installed."""
    monkeypatch.setitem(sys.modules, "sidecar_native", None)
    monkeypatch.delitem(sys.modules, "sidecar.archive.native", raising=False)
    monkeypatch.setattr(choose, "has_native", lambda: False)


@pytest.mark.parametrize(("choice", "name"), [("auto", "native"), ("native", "native"), ("python", "bsonjs-checked")])
def test_auto_takes_the_native_codec_where_it_is_installed(choice: str, name: str) -> None:
    assert (choose_codec(choice).name, codec_in_use(choice)) == (name, name)


@pytest.mark.usefixtures("without_native")
def test_auto_takes_the_one_in_python_where_the_native_one_is_not_installed() -> None:
    assert (choose_codec("auto").name, codec_in_use("auto")) == ("bsonjs-checked", "bsonjs-checked")


@pytest.mark.usefixtures("without_native")
def test_the_native_codec_is_never_replaced_in_silence() -> None:
    with pytest.raises(ValueError, match=r"cannot be loaded.*install mongodb-backup-sidecar-native"):
        choose_codec("native")


def test_asking_for_what_is_not_installed_is_a_problem_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.config.parsing.has_native", lambda: False)

    with pytest.raises(
        ConfigError, match="SIDECAR_CODEC: expected auto or python, because mongodb-backup-sidecar-native"
    ):
        load({"SIDECAR_CODEC": "native"})


def test_the_configuration_says_which_codec_is_in_use() -> None:
    rows = {name: (value, source) for name, value, source in describe({"SIDECAR_CODEC": "python"})}

    assert (rows["SIDECAR_CODEC"], rows["codec"]) == (("python", "environment"), ("bsonjs-checked", "in use"))
