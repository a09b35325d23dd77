"""The four forms in which a backup is stored, and keys that were made for tests only."""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.archive.keys import Keyring, identities
from sidecar.model import Form

RECIPIENT: Final = "age1lhzdk8fs225kmszla28e0ehtp4hp0pc4lcdxhe3qdhcha07xhpaq0lg2r6"
IDENTITY: Final = "AGE-SECRET-KEY-1E08FP7SCYGEA50EN5N53GNL08AEA5VSR9ETJ34WWXNAEUF6PX8UQA0LFGH"
SSH_RECIPIENT: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAw4ldqRWN785oPzWS2A00cje8T+tZzAvnyyAiRnD7VA"
KEYRING: Final = Keyring(identities(IDENTITY.encode()))

every_form = pytest.mark.parametrize("form", Form)


def set_options(form: Form) -> dict[str, Any]:
    """What a BackupSet is made with so that its backups are of this form."""
    options: dict[str, Any] = {"compression": "zstd"} if form.is_compressed else {}
    return options | ({"recipients": (RECIPIENT,)} if form.is_encrypted else {})


def environment(form: Form, folder: Path, *, with_key: bool = True) -> Mapping[str, str]:
    """The settings that say the same; the private key is written into `folder`."""
    variables = {"SIDECAR_COMPRESSION": "zstd"} if form.is_compressed else {}
    if form.is_encrypted:
        variables["SIDECAR_RECIPIENTS"] = RECIPIENT
        if with_key:
            (folder / "key.txt").write_text(f"# for tests\n{IDENTITY}\n")
            variables["SIDECAR_IDENTITY_FILE"] = str(folder / "key.txt")
    return variables


def over_forms(**tables: Iterable[Any]) -> pytest.MarkDecorator:
    """Each case of the tables in each form: in one form always, by turns, in the other three with `-m chaos`."""
    rows = []
    for turn, case in enumerate(product(*tables.values())):
        for number, form in enumerate(Form):
            is_its_turn = number == (turn + turn // len(Form)) % len(Form)
            name = "-".join(map(str, (*case, form.name.lower())))
            rows.append(pytest.param(*case, form, id=name, marks=() if is_its_turn else pytest.mark.chaos))
    return pytest.mark.parametrize((*tables, "form"), rows)
