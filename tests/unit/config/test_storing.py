"""How new backups are stored: the settings, the keys of a set, and what may not be."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.bootstrap.routines import routines
from sidecar.config import load, warnings
from sidecar.model import Kind
from support.configuration import problems, with_file
from support.forms import IDENTITY, RECIPIENT, SSH_RECIPIENT


def test_a_set_has_its_own_words_or_those_of_the_settings(tmp_path: Path) -> None:
    text = f"""
        compression = "zstd"
        recipients = ["{RECIPIENT}", "{SSH_RECIPIENT}"]

        [sets.attendance]
        compression = "none"
        recipients = []

        [sets.logs]
        collections = ["logs"]
        compression_level = 9
        recipients = ["{SSH_RECIPIENT}"]
    """
    sets = load(with_file(tmp_path, text)).sets
    assert {name: (one.compression, one.compression_level, one.recipients) for name, one in sets.items()} == {
        "main": ("zstd", 1, (RECIPIENT, SSH_RECIPIENT)),
        "attendance": ("none", 1, ()),
        "logs": ("zstd", 9, (SSH_RECIPIENT,)),
    }


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SIDECAR_COMPRESSION", "gzip", "expected one of none, zstd, not 'gzip'"),
        ("SIDECAR_COMPRESSION_LEVEL", "20", "expected a whole number from 1 to 19, not '20'"),
        ("SIDECAR_RECIPIENTS", "age1nonsense", "expected a valid public key"),
        ("SIDECAR_RECIPIENTS", f"{RECIPIENT},{RECIPIENT}", "expected public keys that differ"),
        ("SIDECAR_RECIPIENTS", IDENTITY, "expected a public key (age1…), not a private one"),
        ("SIDECAR_IDENTITY_FILE", "/absent", "expected a file that can be read: No such file or directory"),
        ("SIDECAR_IDENTITY_FILE", IDENTITY, "expected a file that can be read: No such file or directory"),
    ],
)
def test_what_is_no_key_or_no_way_to_store_is_refused_and_a_private_key_never_repeated(
    variable: str, value: str, said: str
) -> None:
    (problem,) = problems({variable: value})
    assert problem.startswith(f"{variable}: {said}")
    assert IDENTITY.removeprefix("AGE-SECRET-KEY-") not in problem


def test_a_file_without_a_private_key_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(RECIPIENT)
    (problem,) = problems({"SIDECAR_IDENTITY_FILE": str(tmp_path / "key.txt")})
    assert "expected nothing but private keys of age" in problem


def test_the_private_key_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(f"# a comment\n{IDENTITY}\n")
    settings = load({"SIDECAR_IDENTITY_FILE": str(tmp_path / "key.txt")})
    assert IDENTITY in settings.secrets()
    assert IDENTITY not in repr(settings)


def test_restoring_at_the_start_takes_a_key_that_opens_the_backups(tmp_path: Path) -> None:
    wanted = {"SIDECAR_RESTORE_ON_EMPTY": "true", "SIDECAR_RECIPIENTS": RECIPIENT}
    said = "SIDECAR_RESTORE_ON_EMPTY: expected SIDECAR_IDENTITY_FILE too, with a private key for the encrypted backups of main"
    (without,) = problems(wanted)
    assert without.startswith(said)
    key = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", key], capture_output=True, check=True)
    (with_another,) = problems(wanted | {"SIDECAR_IDENTITY_FILE": str(key)})
    assert with_another.startswith(said)
    key.write_text(IDENTITY)
    assert load(wanted | {"SIDECAR_IDENTITY_FILE": str(key)}).restore_on_empty


def test_one_recipient_only_is_warned_of() -> None:
    assert warnings(load({"SIDECAR_RECIPIENTS": f"{RECIPIENT},{SSH_RECIPIENT}"})) == []
    (words,) = warnings(load({"SIDECAR_RECIPIENTS": RECIPIENT}))
    assert words.startswith("main, attendance: encrypted for one recipient only")


def test_what_cannot_be_read_here_is_not_rehearsed_by_schedule(tmp_path: Path) -> None:
    text = f'[sets.main]\nrecipients = ["{RECIPIENT}"]\n'
    settings = load(with_file(tmp_path, text))
    found = routines(settings, datetime(2026, 11, 28, tzinfo=UTC))
    assert [one.set_name for one in found if one.kind is Kind.DRILL] == ["attendance"]
    assert [one.set_name for one in found if one.kind is Kind.VERIFY] == ["main", "attendance"]


def test_a_signature_that_is_required_needs_a_key_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("hunter2")
    needed = "SIDECAR_SIGNING_KEY_FILE or SIDECAR_TRUSTED_KEYS_FILE"
    said = f"SIDECAR_REQUIRE_SIGNATURE: expected {needed} too, for nothing else can be compared"
    assert problems({"SIDECAR_REQUIRE_SIGNATURE": "true"}) == [said]
    (refused,) = problems({"SIDECAR_SIGNING_KEY_FILE": str(tmp_path / "key.pem")})
    assert refused.startswith("SIDECAR_SIGNING_KEY_FILE: expected a private key of Ed25519 in PEM")
