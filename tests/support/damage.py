"""What disks do to files."""

from pathlib import Path


def flip_a_bit(path: Path) -> None:
    """One bit in the middle; a second time brings it back."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
