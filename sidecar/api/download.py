"""A backup's data file over HTTP: whole or in parts (RFC 9110 section 14), with the digests that let the receiver check it."""

import base64
import re
from io import BufferedReader
from typing import IO

from aiohttp import web

from sidecar.api import parameters
from sidecar.api.context import sidecar_of
from sidecar.api.routing import Access, RouteTable
from sidecar.errors import BackupInvalid, BackupNotFound, IdentityRequired
from sidecar.model import Form, Manifest
from sidecar.runtime.threads import entered, in_thread
from sidecar.store import contents

routes = RouteTable(tag="Backups")
BLOCK_BYTES = 1 << 18
_TYPES = {Form.PLAIN: "application/json", Form.COMPRESSED: "application/zstd"}
_ENCRYPTED = "application/octet-stream"
_NOTHING = re.compile(r"\s*bytes\s*=\s*-\s*0+\s*", re.IGNORECASE)  # the last 0 bytes


@routes.get(
    "/api/admin/backups/{backup_id}/download",
    access=Access.READ,
    path=parameters.BackupPath,
    query=parameters.DownloadQuery,
    content_type="application/json, application/zstd, application/octet-stream",
    also={206: "The part that Range asked for.", 304: "The receiver has it.", 416: "There is no such part."},
    headers={
        "ETag": "The SHA-256 of all that is sent.",
        "Repr-Digest": "The same as RFC 9530 writes it.",
        "Digest": "The same as RFC 3230 wrote it.",
        "Accept-Ranges": "bytes",
    },
    errors=(BackupNotFound, BackupInvalid, IdentityRequired),
)
async def download_backup(
    request: web.Request, path: parameters.BackupPath, query: parameters.DownloadQuery
) -> web.StreamResponse:
    """Send the data file of a valid backup. `Range` continues a download that broke off.

    With `decompress` its text is sent, whole: without compression, and without encryption where the private key is here.
    """
    service = sidecar_of(request).service
    found = await in_thread(service.catalog.find, path.backup_id)
    if not found.verdict.is_valid or found.manifest is None:
        raise BackupInvalid(f"{found.id} is not sent: {found.verdict.message}")
    store = service.stores[found.set_name]
    if query.decompress and found.form is not Form.PLAIN:
        async with entered(contents.text(store, found.id, found.manifest)) as text:
            return await _send_text(request, text, found.manifest)
    async with entered(store.open_data(found.id, found.form)) as file:
        return await _send(request, file, found.manifest)


async def _send_text(request: web.Request, text: IO[bytes], manifest: Manifest) -> web.StreamResponse:
    checksum, size = str(manifest.content_checksum), manifest.text_bytes
    headers = _headers(f"{manifest.backup_id}.json", Form.PLAIN, checksum) | {"Accept-Ranges": "none"}
    if f'"{checksum}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = size
    await response.prepare(request)
    if request.method != "HEAD":
        await _pass_on(response, text, size)
    return response


async def _send(request: web.Request, file: BufferedReader, manifest: Manifest) -> web.StreamResponse:
    tag, size = f'"{manifest.checksum}"', manifest.file_size_bytes
    headers = _headers(manifest.filename, manifest.form, manifest.checksum)
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    part = _part(request, tag, size)
    if part is None:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    is_whole = len(part) == size
    if is_whole:
        headers["Content-Digest"] = headers["Repr-Digest"]
    else:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    response = web.StreamResponse(status=200 if is_whole else 206, headers=headers)
    response.content_length = len(part)
    await response.prepare(request)
    if request.method != "HEAD":
        await in_thread(file.seek, part.start)
        await _pass_on(response, file, len(part))
    return response


async def _pass_on(response: web.StreamResponse, source: IO[bytes], size: int) -> None:
    """Where less comes, the connection ends short of Content-Length, which no client takes for success."""
    left = size
    try:
        while left and (block := await in_thread(source.read, min(BLOCK_BYTES, left))):
            await response.write(block)
            left -= len(block)
    except ValueError as error:
        raise BackupInvalid(f"the data cannot be decoded: {error}") from error
    if left:
        raise BackupInvalid("the data file ended early")


def _part(request: web.Request, tag: str, size: int) -> range | None:
    """The bytes that are asked for, all where there is no usable Range; None if there are no such bytes."""
    if request.headers.get("If-Range", tag) != tag:  # what the receiver has is of another file
        return range(size)
    if _NOTHING.fullmatch(request.headers.get("Range", "")):  # which aiohttp reads as everything
        return None
    try:
        asked = request.http_range
    except ValueError:  # several ranges, or none that make sense: RFC 9110 lets a server ignore them
        return range(size)
    part = range(size)[asked]
    return part if part or asked == slice(None, None, 1) else None


def _headers(filename: str, form: Form, checksum: str) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(checksum)).decode()
    return {
        "Content-Type": _TYPES.get(form, _ENCRYPTED),
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{checksum}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"SHA-256={digest}",
    }
