"""Signatures: ours are openssl's, and whatever is no key is refused without being shown."""

import subprocess
from pathlib import Path

import pytest

from sidecar.archive.signing import Signing
from sidecar.archive.signing_keys import SigningKeyError, private_key, public_keys
from support.keys import KEY, OTHER_KEY

CONTENT = b'{"backup_id": "seed_backup_20261124_021837"}\n'


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=False, timeout=60)


def verified(folder: Path, content: bytes, signature: bytes) -> bool:
    """What openssl says."""
    for name, written in (("key.pem", KEY.public), ("meta.json", content), ("meta.sig", signature)):
        (folder / name).write_bytes(written)
    options = ("-verify", "-pubin", "-inkey", folder / "key.pem", "-rawin", "-in", folder / "meta.json")
    ended = openssl("pkeyutl", *options, "-sigfile", folder / "meta.sig")
    return ended.returncode == 0


def test_openssl_takes_our_signature_and_refuses_it_for_anything_else(tmp_path: Path) -> None:
    signature = KEY.signing.sign(CONTENT)
    assert signature is not None
    assert len(signature) == 64
    assert verified(tmp_path, CONTENT, signature)
    assert not verified(tmp_path, CONTENT + b" ", signature)
    assert not verified(tmp_path, CONTENT, bytes(64))


def test_a_key_that_openssl_makes_signs(tmp_path: Path) -> None:
    assert openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem").returncode == 0
    assert openssl("pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "pub.pem").returncode == 0
    signature = private_key((tmp_path / "key.pem").read_bytes()).sign(CONTENT)
    assert Signing(trusted=public_keys((tmp_path / "pub.pem").read_bytes())).is_signed(CONTENT, signature)


def test_the_key_before_still_counts_where_it_is_trusted() -> None:
    signature = OTHER_KEY.signing.sign(CONTENT)
    changed = "metadata: its signature is not valid: it was changed, or signed with a key that is not trusted here"
    assert Signing(KEY.signing.key).objection(CONTENT, signature) == changed
    assert Signing(KEY.signing.key, public_keys(OTHER_KEY.public)).objection(CONTENT, signature) is None


def test_without_a_signature_only_where_one_is_required() -> None:
    assert Signing(KEY.signing.key).objection(CONTENT, None) is None
    required = Signing(KEY.signing.key, is_required=True)
    assert required.objection(CONTENT, None) == "metadata: not signed, and a signature is required"
    assert Signing().objection(CONTENT, b"whatever") is None


@pytest.mark.parametrize("pem", [b"", b"hunter2", KEY.public, KEY.private.replace(b"MC4", b"MC5")])
def test_what_is_no_private_key_of_ed25519_is_refused_without_being_shown(pem: bytes) -> None:
    with pytest.raises(SigningKeyError, match="expected a private key of Ed25519 in PEM") as refused:
        private_key(pem)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("pem", [b"", KEY.private, KEY.public.replace(b"MCo", b"MCp")])
def test_what_is_no_public_key_of_ed25519_is_refused(pem: bytes) -> None:
    with pytest.raises(SigningKeyError, match="expected public keys of Ed25519 in PEM"):
        public_keys(pem)
