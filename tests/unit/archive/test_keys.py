"""Keys: who can open what, and what they are called."""

import subprocess
from pathlib import Path

import pytest

from sidecar.archive.keys import NO_KEYS, Keyring, key_name, new_identity, seal
from support.forms import KEYRING, RECIPIENT, SSH_RECIPIENT


def test_a_keyring_opens_what_one_of_its_keys_fits_and_nothing_else() -> None:
    other = new_identity()
    both = Keyring([other, *KEYRING.identities])
    assert KEYRING.open(seal(b"fingerprints", [RECIPIENT])) == b"fingerprints"
    assert both.open(seal(b"fingerprints", [str(other.to_public())])) == b"fingerprints"
    assert KEYRING.open(seal(b"", [str(other.to_public())])) is None
    assert [ring.opens([RECIPIENT]) for ring in (KEYRING, both, Keyring([other]), NO_KEYS)] == [
        True,
        True,
        False,
        False,
    ]
    assert NO_KEYS.opens([])


@pytest.mark.parametrize("place", [0, 60, 150, 200])
def test_what_was_sealed_and_changed_is_not_opened(place: int) -> None:
    damaged = bytearray(seal(b"fingerprints of some length", [RECIPIENT]))
    damaged[place] ^= 1
    try:
        assert KEYRING.open(bytes(damaged)) is None
    except ValueError as error:
        assert str(error).startswith("not what was sealed")  # noqa: PT017 - either is a refusal


def test_a_key_is_called_by_the_beginning_of_age_s_and_as_ssh_keygen_calls_it(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{SSH_RECIPIENT} somebody@somewhere\n")
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert key_name(RECIPIENT) == "age1lhzdk8fs225k"
    assert listed.stdout.split()[1].startswith(key_name(SSH_RECIPIENT))
    assert key_name("ssh-ed25519 !") == "ssh-ed25519"
