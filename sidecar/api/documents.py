"""Documents of a backup over HTTP: found, shown, and compared with what the database holds now."""

from dataclasses import asdict

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.context import sidecar_of
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.archive.criteria import Criterion, by_ids, fields, typed
from sidecar.errors import BackupInvalid, BackupNotFound, IdentityRequired, SourceError, UsageError
from sidecar.inspect.documents import find, shown, shown_beside_live
from sidecar.runtime.threads import in_thread

routes = RouteTable(tag="Restore")


@routes.get(
    "/api/admin/backups/{backup_id}/documents",
    access=Access.READ,
    path=parameters.BackupPath,
    query=parameters.DocumentsQuery,
    response=schemas.FoundDocuments,
    errors=(BackupNotFound, BackupInvalid, IdentityRequired, UsageError),
)
async def find_documents(request: web.Request, path: parameters.BackupPath, query: parameters.DocumentsQuery) -> Reply:
    """Show documents of a backup, found by `_id` or by fields. Reads the backup from end to end and checks it."""
    service = sidecar_of(request).service
    criteria = _criteria(query)
    store, backup_id = await in_thread(service.locate, path.backup_id)
    found = await in_thread(find, store, backup_id, service.codec, query.collection, criteria, most=query.limit)
    documents, live_error = None, None
    if query.live:
        try:
            documents = await shown_beside_live(found.documents, service.codec, service.database, query.collection)
        except SourceError as error:  # what the backup holds is worth showing without it
            live_error = str(error)
    if documents is None:
        documents = await shown(found.documents, service.codec)
    return Reply(
        schemas.FoundDocuments(
            backup_id=path.backup_id,
            collection=query.collection,
            count=found.count,
            documents=tuple(schemas.FoundDocument(**asdict(one)) for one in documents),
            live_error=live_error,
        )
    )


def _criteria(query: parameters.DocumentsQuery) -> list[Criterion]:
    if query.id is not None and query.where is None:
        return [by_ids([typed(query.id)])]
    if query.where is not None and query.id is None:
        return fields(query.where)
    raise UsageError("expected either `id` or `where`")
