"""A backup's data file over HTTP: whole or in parts (RFC 9110 section 14), with the digests that let the receiver check it."""

import base64
import re
from io import BufferedReader

from aiohttp import web

from sidecar.api import parameters
from sidecar.api.context import sidecar_of
from sidecar.api.routing import Access, RouteTable
from sidecar.errors import BackupInvalid, BackupNotFound
from sidecar.model import Manifest
from sidecar.runtime.threads import entered, in_thread

routes = RouteTable(tag="Backups")
BLOCK_BYTES = 1 << 18
_NOTHING = re.compile(r"\s*bytes\s*=\s*-\s*0+\s*", re.IGNORECASE)  # the last 0 bytes


@routes.get(
    "/api/admin/backups/{backup_id}/download",
    access=Access.READ,
    path=parameters.BackupPath,
    content_type="application/json",
    also={206: "The part that Range asked for.", 304: "The receiver has it.", 416: "There is no such part."},
    headers={
        "ETag": "The SHA-256 of the whole file.",
        "Repr-Digest": "The same as RFC 9530 writes it.",
        "Digest": "The same as RFC 3230 wrote it.",
        "Accept-Ranges": "bytes",
    },
    errors=(BackupNotFound, BackupInvalid),
)
async def download_backup(request: web.Request, path: parameters.BackupPath) -> web.StreamResponse:
    """Send the data file of a valid backup. `Range` continues a download that broke off."""
    service = sidecar_of(request).service
    found = await in_thread(service.catalog.find, path.backup_id)
    if not found.verdict.is_valid or found.manifest is None:
        raise BackupInvalid(f"{found.id} is not sent: {found.verdict.message}")
    async with entered(service.stores[found.set_name].open_data(found.id, found.form)) as file:
        return await _send(request, file, found.manifest)


async def _send(request: web.Request, file: BufferedReader, manifest: Manifest) -> web.StreamResponse:
    tag, size = f'"{manifest.checksum}"', manifest.file_size_bytes
    headers = _headers(manifest)
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
        await _send_part(response, file, part)
    return response


async def _send_part(response: web.StreamResponse, file: BufferedReader, part: range) -> None:
    await in_thread(file.seek, part.start)
    left = len(part)
    while left and (block := await in_thread(file.read, min(BLOCK_BYTES, left))):
        await response.write(block)
        left -= len(block)
    if left:  # the file shrank: the connection ends short of Content-Length, which no client takes for success
        raise BackupInvalid("the data file ended early")


def _part(request: web.Request, tag: str, size: int) -> range | None:
    """The bytes that are asked for, all where there is no usable Range; None where there are no such bytes."""
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


def _headers(manifest: Manifest) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(manifest.checksum)).decode()
    return {
        "Content-Type": "application/json",
        "Content-Disposition": f'attachment; filename="{manifest.filename}"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{manifest.checksum}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"SHA-256={digest}",
    }
