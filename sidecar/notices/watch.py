"""Look every few seconds at what is wrong, and queue a letter for each change."""

from collections.abc import Callable, Iterable
from typing import Final

from sidecar.config import Settings
from sidecar.history.outbox import FAIL, Letter, of_heartbeat, of_notice
from sidecar.model import Channel, Notice, NoticeState
from sidecar.notices.conditions import RUNS, Observed
from sidecar.rules.conditions import News
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread

WATCH_SECONDS: Final = 2.0
SILENCE_SECONDS: Final = 60.0


class Watch:
    """Tells webhook and mail when a problem begins and when it ends, and heartbeats when it begins."""

    def __init__(self, observed: Observed, settings: Settings, clock: Clock, hide: Callable[[str], str]) -> None:
        """`hide` masks secrets in messages."""
        self.task = Supervised("notices", self._run, clock, SILENCE_SECONDS)
        self._observed = observed
        self._settings = settings
        self._clock = clock
        self._hide = hide
        wanted = {Channel.WEBHOOK: settings.webhook_url, Channel.MAIL: settings.smtp_host}
        self._channels = [channel for channel, where in wanted.items() if where is not None]

    async def _run(self, task: Supervised) -> None:
        while True:
            task.beat()
            await self.look()
            await self._clock.sleep(WATCH_SECONDS)

    async def look(self) -> list[News]:
        """Look once, and return the changes."""
        found = self._observed.conditions(self._clock.now())
        return await in_thread(self._observed.history.outbox.note, found, self._letters)

    def _letters(self, change: News) -> Iterable[Letter]:
        now, one = self._clock.now(), change.condition
        notice = self._notice(change)
        yield from (of_notice(channel, notice, one.key, now) for channel in self._channels)
        if one.set_name in self._settings.heartbeats and not change.is_over and one.subject != RUNS:
            words = f"{one.subject}: {notice.text}"
            yield of_heartbeat(one.set_name, FAIL, {"signal": FAIL, "outcome": None, "words": words}, now)

    def _notice(self, change: News) -> Notice:
        one = change.condition
        state = NoticeState.RESOLVED if change.is_over else NoticeState.FIRING
        word = "resolved" if change.is_over else one.severity.value
        where = f"{self._settings.db_name}, {one.set_name}" if one.set_name else self._settings.db_name
        text = f"No longer so: {one.words}" if change.is_over else one.words
        return Notice(
            state=state,
            severity=one.severity,
            set_name=one.set_name,
            title=f"[{word}] Backups of {where}: {one.subject}",
            text=self._hide(text),
        )
