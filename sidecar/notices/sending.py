"""Send notices: HTTP by aiohttp, mail by smtplib in a thread that does not delay the end of the process.

Errors never name the address, because it is a secret.
"""

import asyncio
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Final

import aiohttp

from sidecar.config import Secret
from sidecar.model import Notice

SECONDS: Final = 10.0  # for one delivery
_HEARD_BYTES: Final = 1000  # the most that is read of an answer
_GOOD: Final = range(200, 300)


class NotDelivered(Exception):
    """A message did not arrive. The text says why and names no address."""


async def post(session: aiohttp.ClientSession, address: str, **body: Any) -> None:
    """POST to the address. Raises NotDelivered."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with session.post(address, timeout=timeout, allow_redirects=False, **body) as answer:
            said = (await answer.content.read(_HEARD_BYTES)).decode(errors="replace")
    except TimeoutError:
        raise NotDelivered(f"no answer within {SECONDS:g} seconds") from None
    except aiohttp.ClientConnectorCertificateError:
        raise NotDelivered("the server's certificate is not trusted here") from None
    except aiohttp.ClientConnectorError as error:
        raise NotDelivered(f"no connection: {_why(error.os_error)}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotDelivered(f"no answer: {type(error).__name__}") from None
    if answer.status not in _GOOD:
        hint = ": expected the final address" if 300 <= answer.status < 400 else ""  # noqa: PLR2004 - redirections
        raise NotDelivered(f"the server answered {answer.status}{hint}")
    if "(not found)" in said:  # healthchecks.io answers 200 for an unknown address
        raise NotDelivered("the server does not know this address")


def _why(error: Exception) -> str:
    """Return the reason in the operating system's words, because the error's own text may name the host."""
    if isinstance(error, socket.gaierror):
        return "the host's name cannot be resolved"
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else type(error).__name__


def signalled(address: str, signal: str) -> str:
    """Return a heartbeat's address for `start`, `fail` or `log`: the signal is added to the path, before the query."""
    path, mark, query = address.partition("?")
    return f"{path.rstrip('/')}/{signal}{mark}{query}"


# -- mail --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail server, the sender and the recipients."""

    host: str
    port: int
    security: str  # starttls, tls, none
    user: str | None
    password: Secret | None
    sender: str
    recipients: tuple[str, ...]

    async def send(self, notice: Notice) -> None:
        """Send a notice as a mail. Raises NotDelivered."""
        message = EmailMessage()
        message["Subject"] = " ".join(notice.title.split())
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=self.sender.partition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text, cte="quoted-printable")
        await _in_own_thread(lambda: self._send(message))

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                if self.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password.reveal())
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"the mail server answered {error.smtp_code} ({type(error).__name__})") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise NotDelivered(f"the mail server refused the recipients ({', '.join(map(str, codes))})") from None
        except ssl.SSLCertVerificationError as error:
            raise NotDelivered(f"the mail server's certificate is not trusted here: {error.verify_message}") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotDelivered(f"no connection to the mail server: {_why(error)}") from None

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=ssl.create_default_context())
        return smtplib.SMTP(self.host, self.port, timeout=SECONDS)


async def _in_own_thread(work: Callable[[], None]) -> None:
    """Run work in a thread. The process may end before it: the record still holds what was not delivered."""
    loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def tell(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - the caller waits for every error
            error = raised
        try:
            loop.call_soon_threadsafe(tell, error)
        except RuntimeError:  # the event loop is closed
            return

    threading.Thread(target=run, name="mail", daemon=True).start()
    await done
