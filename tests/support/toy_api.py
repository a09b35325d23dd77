"""A small API about drawers, for the tests of what carries the real one."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sidecar.api.problems import Forbidden, Unauthorised
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import BackupNotFound, Busy, StorageError

ADMIN = {"Authorization": "Bearer admin-token"}
READER = {"Authorization": "Bearer read-token"}
BASE = "/api/admin/drawers"
KNOWN = "socks"

routes = RouteTable(tag="Drawers")
about = RouteTable(tag="About")


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DrawerPath(Parameters):
    name: Annotated[str, Field(max_length=40, pattern=r"^[a-z]+$", examples=[KNOWN])]


class ListQuery(Parameters):
    limit: Annotated[int, Field(ge=1, le=100, description="How many at most.")] = 10
    colour: Literal["red", "blue"] | None = None
    open: bool = False


class NewDrawer(Parameters):
    name: Annotated[str, Field(max_length=40, pattern=r"^[a-z]+$")]
    colours: Annotated[list[Literal["red", "blue"]], Field(max_length=5)] = []
    note: Annotated[str, Field(max_length=8)] = ""
    locked: bool = False


class Until(Parameters):
    until: Annotated[str, Field(max_length=5)] | None = None


class Drawer(BaseModel):
    """One drawer."""

    name: str
    depth: int
    opened_at: AwareDatetime | None = None


class Drawers(BaseModel):
    """What there is."""

    drawers: tuple[Drawer, ...]


DRAWER = Drawer(name=KNOWN, depth=30)


@routes.get(
    f"{BASE}/list",
    access=Access.READ,
    query=ListQuery,
    response=Drawers,
    headers={"X-Total-Count": "How many there are."},
)
async def list_drawers(_: web.Request, query: ListQuery) -> Reply:
    """List drawers. The lowest comes first."""
    found = (DRAWER,) if query.colour is None else ()
    return Reply(Drawers(drawers=found[: query.limit]), headers={"X-Total-Count": str(len(found))})


@routes.post(
    BASE,
    access=Access.WRITE,
    body=NewDrawer,
    response=Drawer,
    status=201,
    headers={"Location": "The drawer."},
    errors=(Busy, StorageError),
)
async def add_drawer(_: web.Request, body: NewDrawer) -> Reply:
    """Add a drawer."""
    if body.name == KNOWN:
        raise Busy("somebody is adding it already")
    return Reply(Drawer(name=body.name, depth=len(body.note)), status=201, headers={"Location": f"{BASE}/{body.name}"})


@routes.get(f"{BASE}/{{name}}", access=Access.READ, path=DrawerPath, response=Drawer, errors=(BackupNotFound,))
async def one_drawer(_: web.Request, path: DrawerPath) -> Reply:
    """Show a drawer."""
    return Reply(_find(path.name))


@routes.delete(f"{BASE}/{{name}}", access=Access.WRITE, path=DrawerPath, status=204, errors=(BackupNotFound,))
async def remove_drawer(_: web.Request, path: DrawerPath) -> Reply:
    """Remove a drawer."""
    _find(path.name)
    return Reply(None, status=204)


@routes.put(
    f"{BASE}/{{name}}/lock", access=Access.WRITE, path=DrawerPath, body=Until, response=Drawer, errors=(BackupNotFound,)
)
async def lock_drawer(_: web.Request, path: DrawerPath, body: Until) -> Reply:
    """Lock a drawer, for ever or until then."""
    del body
    return Reply(_find(path.name))


@routes.get(
    f"{BASE}/{{name}}/label", access=Access.READ, path=DrawerPath, content_type="text/plain", errors=(BackupNotFound,)
)
async def drawer_label(request: web.Request, path: DrawerPath) -> web.StreamResponse:
    """Send what stands on a drawer."""
    found = _find(path.name)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(found.name.encode())
    return response


@about.get("/healthz", access=Access.OPEN, response=Drawer)
async def healthz(_: web.Request) -> Reply:
    """Say that it is alive."""
    return Reply(DRAWER)


def _find(name: str) -> Drawer:
    if name != KNOWN:
        raise BackupNotFound(f"there is no drawer {name}")
    return DRAWER


async def authorise(request: web.Request, access: Access) -> None:
    """As a gate does it: nobody needs a token for what is open, and the reader's is not enough to write."""
    if access is Access.OPEN:
        return
    token = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.cookies.get("session_token")
    if token not in {"admin-token", "read-token"}:
        raise Unauthorised("no valid token")
    if access is Access.WRITE and token != "admin-token":
        raise Forbidden("a read token cannot write")
