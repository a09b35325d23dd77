"""`extract`: write one collection of a backup for other programs."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from sidecar import errors
from sidecar.cli import commands
from sidecar.cli.fetched import fetched
from sidecar.cli.options import FromCopy, Id
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.inspect import extract as extracting
from sidecar.model import documents_in_words, size
from sidecar.service import Service

app = commands.app()


@app.command()
def extract(  # noqa: PLR0913 - one parameter per documented option
    backup_id: Id,
    collection: Annotated[str, typer.Option("--collection", "-c", help="The collection to write.")],
    *,
    from_copy: FromCopy = None,
    relaxed: Annotated[
        bool, typer.Option(help="Relaxed Extended JSON: easier to read, but 32 and 64 bit integers look the same.")
    ] = False,
    lines: Annotated[bool, typer.Option(help="One document per line instead of an array.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write to this new file, which only you can read, instead of standard output."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --output.")] = False,
) -> None:
    """Write one collection of a backup for mongoimport, jq or pandas."""

    async def use(service: Service) -> None:
        async with fetched(service, backup_id, from_copy) as chosen:
            store, found = service.locate(chosen)
            with _file(output, overwrite=overwrite) if output else _stdout() as out:
                made = extracting.extract(store, found, service.codec, collection, out, relaxed=relaxed, as_lines=lines)
        if output:
            written = f", {size(output.stat().st_size)}" if output.is_file() else ""  # a pipe has no size
            console.remark(f"{output}: {documents_in_words(made.documents)} of {collection}{written}")
        if made.escaped:
            console.remark(
                f"{documents_in_words(made.escaped)} written as $bson: only `sidecar restore` reads that", "yellow"
            )

    run(use)


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    try:
        yield sys.stdout.buffer
    except BrokenPipeError:
        raise
    except OSError as error:
        raise errors.SidecarError(f"standard output: {error.strerror}") from None


@contextmanager
def _file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Yield a temporary file that is renamed to `path` once it is whole. A pipe or a device is written to directly."""
    if path.exists() and not path.is_file():
        with _opened(path, "wb") as file:
            yield file
        return
    if path.exists() and not overwrite:
        raise errors.UsageError(f"{path} exists: expected another name, or --overwrite")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _opened(draft, "xb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        return cast("BinaryIO", open(path, mode, opener=_for_us_alone))
    except OSError as error:
        raise errors.UsageError(f"--output: {path}: {error.strerror}") from None


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
