"""The configured channels: how each sends a letter."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from sidecar.config import Secret, Settings
from sidecar.errors import SidecarError
from sidecar.history.outbox import FAIL, START, Letter, Outbox
from sidecar.model import Channel, Notice, Outcome
from sidecar.notices.conditions import BACKUP, RUNS
from sidecar.notices.sending import Mailbox, post, signalled
from sidecar.rules import template
from sidecar.runtime.threads import in_thread
from sidecar.store.catalog import Catalog

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def webhook(session: aiohttp.ClientSession, address: Secret, body: str | None) -> Callable[[Notice], Awaitable[None]]:
    """Return a sender that posts a notice as JSON, by the template `body` or the default one."""
    chosen = body or template.DEFAULT

    async def send(notice: Notice) -> None:
        data = json.dumps(template.filled(chosen, notice)).encode()
        await post(session, address.reveal(), data=data, headers={"Content-Type": "application/json"})

    return send


def mailbox(settings: Settings) -> Mailbox | None:
    """Return the configured mailbox, None if mail is not configured."""
    if settings.smtp_host is None or settings.smtp_from is None or settings.smtp_to is None:
        return None
    return Mailbox(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password,
        sender=settings.smtp_from,
        recipients=settings.smtp_to,
    )


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session that uses the proxy of the environment, if there is one."""
    async with aiohttp.ClientSession(trust_env=True) as session:
        yield session


def senders(settings: Settings, session: aiohttp.ClientSession) -> dict[Channel, Callable[[Notice], Awaitable[None]]]:
    """Return a sender for each configured channel except heartbeats."""
    found: dict[Channel, Callable[[Notice], Awaitable[None]]] = {}
    if settings.webhook_url is not None:
        found[Channel.WEBHOOK] = webhook(session, settings.webhook_url, settings.webhook_template)
    if (box := mailbox(settings)) is not None:
        found[Channel.MAIL] = box.send
    return found


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Sends a heartbeat when a run begins and when it ends. It signals success only if the backup is good at that time."""

    session: aiohttp.ClientSession
    addresses: Mapping[str, Secret]
    catalog: Catalog
    outbox: Outbox

    async def send(self, letter: Letter) -> None:
        """Send a letter. Raises NotDelivered."""
        if letter.set_name not in self.addresses:  # it is not configured any more
            return
        address = self.addresses[letter.set_name].reveal()
        if letter.content["signal"] == START:
            await post(self.session, signalled(address, START), data=str(letter.content["job_id"]), headers=_TEXT)
            return
        words = str(letter.content["words"])
        if (objection := await in_thread(self._objection, letter)) is not None:
            await post(self.session, signalled(address, FAIL), data=objection or words, headers=_TEXT)
        else:
            said = await in_thread(self._with_head, letter.set_name, words)
            await post(self.session, address, data=said, headers=_TEXT)

    def _with_head(self, set_name: str, words: str) -> str:
        """Return the words with the head of the ledger, which is so noted where this host cannot change it."""
        head = self.catalog.stores[set_name].seal.ledger.account().head
        return f"{words}\nledger: {head.lines} lines, head {head.hash}" if head.lines else words

    def _objection(self, letter: Letter) -> str | None:
        """Return why a run must not count as a success, None if it may."""
        said = letter.content
        if said.get("outcome") != Outcome.SUCCEEDED:
            return f"{said.get('outcome') or 'failed'}: {said['words']}"
        try:
            backup = self.catalog.find(str(said["backup_id"]))
        except SidecarError as error:
            return f"made, but not to be found any more: {error}"
        if not backup.verdict.is_valid:
            return f"{backup.id} is damaged: {backup.verdict.message}"
        if backup.is_suspect and backup.manifest is not None:
            return f"{backup.id} is suspect: {'; '.join(backup.manifest.suspicions)}"
        others = [one for one in self.outbox.standing(letter.set_name) if one.subject not in (BACKUP, RUNS)]
        return "; ".join(f"{one.subject}: {one.words}" for one in others) or None
