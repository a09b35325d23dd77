"""`key`: make keys for encrypted backups."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sidecar import errors
from sidecar.archive.keys import new_identity
from sidecar.cli import commands
from sidecar.cli.terminal import console

app = commands.group("Keys for encrypted backups.")


@app.callback()
def key() -> None:
    """Keys for encrypted backups."""  # a group of its own, although it has one command


@app.command()
def new(
    *,
    recipient_file: Annotated[Path | None, typer.Option(help="Also append the public key to this file.")] = None,
) -> None:
    """Make a key pair and print its private key once. Keep it on paper or in a safe, never on this host.

    The output is an identity file for age. The public key goes into SIDECAR_RECIPIENTS.
    """
    identity = new_identity()
    recipient = str(identity.to_public())
    if recipient_file is not None:
        _append(recipient_file, recipient)
    console.say(f"# created: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    console.say(f"# public key: {recipient}")
    console.say(str(identity))
    console.remark(
        "Without this private key nobody can read the backups. Keep two copies of it, and none on this machine.",
        "yellow",
    )


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise errors.UsageError(f"--recipient-file: {path}: {error.strerror}") from None
