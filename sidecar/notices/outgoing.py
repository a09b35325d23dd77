"""Put together everything that sends notices: one watch, and one post for each channel."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from sidecar.config import Settings
from sidecar.history.outbox import Letter
from sidecar.model import Channel, Notice
from sidecar.notices.channels import Heartbeats, open_session, senders
from sidecar.notices.conditions import Observed
from sidecar.notices.post import Post
from sidecar.notices.watch import Watch
from sidecar.runtime.clock import Clock
from sidecar.runtime.threads import in_thread
from sidecar.store.catalog import Catalog


@asynccontextmanager
async def sending(
    settings: Settings, observed: Observed, catalog: Catalog, clock: Clock, hide: Callable[[str], str]
) -> AsyncIterator[None]:
    """Watch for news and send it to the configured channels, inside the `with` block."""
    history = observed.history
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        posts = {
            channel: Post(channel, history, _of_letters(send), clock)
            for channel, send in senders(settings, session).items()
        }
        if settings.heartbeats:
            beats = Heartbeats(session, settings.heartbeats, catalog, history.outbox)
            posts[Channel.HEARTBEAT] = Post(Channel.HEARTBEAT, history, beats.send, clock)
        await in_thread(history.outbox.keep_only, list(posts), settings.sets)
        if posts:
            watch = Watch(observed, settings, clock, hide)
            for task in (watch.task, *(one.task for one in posts.values())):
                await stack.enter_async_context(task.running())
        yield


def _of_letters(send: Callable[[Notice], Awaitable[None]]) -> Callable[[Letter], Awaitable[None]]:
    async def send_letter(letter: Letter) -> None:
        await send(letter.notice)

    return send_letter
