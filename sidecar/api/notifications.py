"""Word to people: whether it arrives."""

from aiohttp import web

from sidecar.api.context import sidecar_of
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.model import Channel
from sidecar.notices.rehearsal import rehearse
from sidecar.status.bodies import Body

routes = RouteTable(tag="Notifications")


class DeliveryBody(Body):
    """The outcome of one test message."""

    channel: Channel
    backup_type: str | None  # of a heartbeat
    error: str | None  # null: it arrived


class RehearsalBody(Body):
    """The outcomes of the test messages, one for each configured channel."""

    deliveries: tuple[DeliveryBody, ...]


@routes.post("/api/admin/notifications/test", access=Access.WRITE, response=RehearsalBody)
async def test(request: web.Request) -> Reply:
    """Send a test message to each configured channel, and say of each whether it arrived.

    A heartbeat gets `log`, which is no success and no failure.
    """
    found = await rehearse(sidecar_of(request).settings)
    deliveries = tuple(
        DeliveryBody(channel=one.channel, backup_type=one.set_name or None, error=one.error) for one in found
    )
    return Reply(RehearsalBody(deliveries=deliveries))
