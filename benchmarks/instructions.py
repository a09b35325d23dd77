"""Instructions that the native codec takes per byte of BSON, counted by callgrind: the same on a busy machine as on a quiet one.

Compares with `native/instructions.json` and fails where a figure grew by more than 3 %; `--write` takes what it finds.
valgrind knows no SHA instructions, so that each figure holds about 65 of SHA-256 in software.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "native" / "Cargo.toml"
KNOWN = ROOT / "native" / "instructions.json"
TOLERANCE = 1.03
ROUNDS = (1, 3)  # what does not belong to the work is in both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="take what is found as what is expected")
    options = parser.parse_args()
    program = _built()
    found = {
        f"{direction} {shape}": _per_byte(program, direction, shape)
        for direction in ("encode", "decode")
        for shape in ("small", "nested")
    }
    if options.write:
        KNOWN.write_text(json.dumps(found, indent=2) + "\n")
    known = json.loads(KNOWN.read_text())
    for name, figure in found.items():
        print(f"{name}: {figure} instructions per byte, {known[name]} expected")
    grown = [name for name, figure in found.items() if figure > known[name] * TOLERANCE]
    sys.exit(f"more than {TOLERANCE - 1:.0%} above: {', '.join(grown)}" if grown else 0)


def _built() -> Path:
    command = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--example",
        "work",
        "--manifest-path",
        str(MANIFEST),
    ]
    subprocess.run(command, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "native" / "target")
    return Path(target) / "release" / "examples" / "work"


def _per_byte(program: Path, direction: str, shape: str) -> float:
    few, many = (_count(program, direction, shape, rounds) for rounds in ROUNDS)
    return round((many[0] - few[0]) / (ROUNDS[1] - ROUNDS[0]) / few[1], 1)


def _count(program: Path, direction: str, shape: str, rounds: int) -> tuple[int, int]:
    """Instructions of the whole run, and bytes of BSON of one round."""
    command = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        str(program),
        direction,
        shape,
        str(rounds),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    collected = re.search(r"Collected : (\d+)", ended.stderr)
    assert collected is not None, ended.stderr
    return int(collected[1]), int(ended.stdout.split()[0])


if __name__ == "__main__":
    main()
