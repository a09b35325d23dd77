"""Send a test message, to see whether notices reach a person."""

from collections.abc import Awaitable
from dataclasses import dataclass

from sidecar.config import Settings
from sidecar.model import Channel, Notice, NoticeState, Severity
from sidecar.notices.channels import open_session, senders
from sidecar.notices.sending import NotDelivered, post, signalled


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of a test of one channel."""

    channel: Channel
    set_name: str
    error: str | None  # None if the message arrived


async def rehearse(settings: Settings) -> list[Delivery]:
    """Send a test message to each configured channel. Heartbeat URLs get the signal `log`, which changes no state there."""
    notice = Notice(
        state=NoticeState.TEST,
        severity=Severity.INFO,
        set_name="",
        title=f"[test] Backups of {settings.db_name}",
        text="Somebody asked for this test. Notices of the backup sidecar arrive here.",
    )
    async with open_session() as session:
        found = []
        for name, address in settings.heartbeats.items():
            sent = post(session, signalled(address.reveal(), "log"), data=notice.text)
            found.append(Delivery(Channel.HEARTBEAT, name, await _error_of(sent)))
        for channel, send in senders(settings, session).items():
            found.append(Delivery(channel, "", await _error_of(send(notice))))
    return found


async def _error_of(sent: Awaitable[None]) -> str | None:
    try:
        await sent
    except NotDelivered as error:
        return str(error)
    return None
