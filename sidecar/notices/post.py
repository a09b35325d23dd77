"""Send the waiting letters of one channel, in order, until each is delivered or too old to be of use."""

from collections.abc import Awaitable, Callable
from typing import Final

from sidecar.history.outbox import FAILURES, START, Letter
from sidecar.history.record import History
from sidecar.logger import Logger
from sidecar.model import Channel
from sidecar.notices.sending import NotDelivered
from sidecar.rules import delivery
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread

LOOK_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 600.0

log = Logger(__name__)


class Post:
    """Delivers the letters of one channel. `send` raises NotDelivered."""

    def __init__(
        self, channel: Channel, history: History, send: Callable[[Letter], Awaitable[None]], clock: Clock
    ) -> None:
        self.channel = channel
        self.task = Supervised(f"{channel} notices", self._run, clock, SILENCE_SECONDS)
        self._history = history
        self._send = send
        self._clock = clock

    async def _run(self, task: Supervised) -> None:
        while True:
            task.beat()
            await self.deliver()
            await self._clock.sleep(LOOK_SECONDS)

    async def deliver(self) -> None:
        """Try the letters that are due. A letter waits as long as an earlier one for the same receiver waits."""
        held: set[str] = set()
        for letter, next_at in await in_thread(self._history.outbox.waiting, self.channel):
            receiver = letter.set_name if self.channel is Channel.HEARTBEAT else ""
            now = self._clock.now()
            is_start = letter.content.get("signal") == START
            if not delivery.is_worth_sending(self.channel, letter.age(now), is_start=is_start):
                log.warning(
                    "notice.given_up", channel=self.channel.value, set=letter.set_name, attempts=letter.attempts
                )
                await in_thread(self._history.outbox.drop, letter)
            elif (
                receiver in held or now < next_at <= now + delivery.LONGEST_PAUSE
            ):  # a later `next_at` was made before the clock was set back: try now
                held.add(receiver)
            elif not await self._delivered(letter):
                held.add(receiver)

    async def _delivered(self, letter: Letter) -> bool:
        try:
            await self._send(letter)
        except NotDelivered as error:
            await self._postpone(letter, str(error))
            return False
        except Exception as error:  # a defect of ours must not hold up the letters behind this one for ever
            log.exception("notice.broken", channel=self.channel.value)
            await self._postpone(letter, f"unexpected {type(error).__name__}")
            return False
        await in_thread(self._history.outbox.drop, letter)
        log.info("notice.delivered", channel=self.channel.value, set=letter.set_name)
        return True

    async def _postpone(self, letter: Letter, why: str) -> None:
        attempts = letter.attempts + 1
        pause = delivery.pause_after(attempts)
        log.warning(
            "notice.not_delivered", channel=self.channel.value, set=letter.set_name, attempts=attempts, error=why
        )
        await in_thread(self._history.add, FAILURES, self.channel.value, 1)
        await in_thread(self._history.outbox.postpone, letter, self._clock.now() + pause)
