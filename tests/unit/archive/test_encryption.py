"""age around a stream: exact on the way back, also by age itself, and refused when it is damaged or meant for others."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.encryption import DecryptionError, Encrypting, decrypted
from sidecar.archive.keys import AgeIdentity, Identity, KeyFormatError, identities, new_identity, recipient

OURS = new_identity()


class FullDisk(io.BytesIO):
    def write(self, _: object, /) -> int:
        raise OSError(28, "No space left on device")


class BrokenDisk(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise OSError(5, "Input/output error")
        return super().read(size)


def encrypted(*pieces: bytes, to: AgeIdentity = OURS) -> bytes:
    sink = io.BytesIO()
    encrypting = Encrypting(sink.write, [recipient(str(to.to_public()))])
    for piece in pieces:
        encrypting.write(piece)
    encrypting.close()
    return sink.getvalue()


def plain(stored: bytes, *keys: Identity) -> bytes:
    with decrypted(io.BytesIO(stored), keys or [OURS]) as stream:
        return stream.read()


@given(st.lists(st.binary(max_size=100_000), max_size=8))
def test_what_was_written_in_any_pieces_is_read_back(pieces: list[bytes]) -> None:
    assert plain(encrypted(*pieces)) == b"".join(pieces)


def test_age_itself_reads_what_we_wrote_and_we_read_what_age_wrote(tmp_path: Path) -> None:
    key, text = tmp_path / "key.txt", os.urandom(300_000)
    key.write_text(f"# a comment\n{OURS}\n")
    theirs = subprocess.run(
        ["age", "--decrypt", "--identity", key], input=encrypted(text), capture_output=True, check=True
    ).stdout
    stored = subprocess.run(["age", "-r", str(OURS.to_public())], input=text, capture_output=True, check=True).stdout
    assert (theirs, plain(stored, *identities(key.read_bytes()))) == (text, text)


def test_each_recipient_reads_it_and_nobody_else() -> None:
    paper, ephemeral = new_identity(), new_identity()
    sink = io.BytesIO()
    encrypting = Encrypting(sink.write, [paper.to_public(), ephemeral.to_public()])
    encrypting.write(b"students")
    encrypting.close()
    assert [plain(sink.getvalue(), key) for key in (paper, ephemeral)] == [b"students"] * 2
    with pytest.raises(DecryptionError, match="no private key fits"):
        plain(sink.getvalue(), OURS)


def test_an_ssh_key_is_a_recipient(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    sink = io.BytesIO()
    encrypting = Encrypting(sink.write, [recipient((tmp_path / "key.pub").read_text())])
    encrypting.write(b"buses")
    encrypting.close()
    assert plain(sink.getvalue(), *identities((tmp_path / "key").read_bytes())) == b"buses"


@pytest.mark.parametrize("length", [0, 1, 70, 200, 65_000, 140_000, 200_000])
def test_a_file_that_was_cut_is_refused(length: int) -> None:
    stored = encrypted(os.urandom(200_000))
    with pytest.raises(DecryptionError):
        plain(stored[:length])


@pytest.mark.parametrize("place", [0, 30, 120, 250, 66_000, 199_000])
def test_a_flipped_bit_is_refused(place: int) -> None:
    damaged = bytearray(encrypted(os.urandom(200_000)))
    damaged[place] ^= 1
    with pytest.raises(DecryptionError):
        plain(bytes(damaged))


def test_a_stream_can_be_left_before_its_end() -> None:
    with decrypted(io.BytesIO(encrypted(os.urandom(1 << 20))), [OURS]) as stream:
        assert len(stream.read(10)) == 10


def test_the_error_of_a_full_disk_is_raised_as_it_is() -> None:
    encrypting = Encrypting(FullDisk().write, [OURS.to_public()])
    with pytest.raises(OSError, match="No space left"):
        encrypting.write(bytes(10_000_000))


def test_the_error_of_a_full_disk_at_the_very_end_is_raised_as_it_is() -> None:
    encrypting = Encrypting(FullDisk().write, [OURS.to_public()])
    with pytest.raises(OSError, match="No space left"):
        encrypting.close()


def test_the_error_of_a_broken_disk_is_raised_as_it_is() -> None:
    with (
        pytest.raises(OSError, match="Input/output error"),
        decrypted(BrokenDisk(encrypted(os.urandom(300_000))), [OURS]) as stream,
    ):
        stream.read()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age1nonsense", "expected a valid public key"),
        ("ssh-ed25519 AAAA", "expected a valid public key"),
        ("", "expected a public key of age"),
        pytest.param(str(OURS), "not a private one", id="a private key"),
    ],
)
def test_what_is_no_public_key_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(KeyFormatError, match=said) as caught:
        recipient(text)
    assert str(OURS) not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"# only a comment\n", b"AGE-SECRET-KEY-1NO\n", b"\xff", b"-----BEGIN X-----\n"]
)
def test_what_is_no_identity_file_is_refused(content: bytes) -> None:
    with pytest.raises(KeyFormatError):
        identities(content)
