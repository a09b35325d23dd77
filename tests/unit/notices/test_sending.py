"""Word that leaves by real sockets: what arrives, and what is said, without the address, where nothing does."""

import ssl
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from sidecar.config import Secret
from sidecar.model import Notice, NoticeState, Severity
from sidecar.notices import sending
from sidecar.notices.channels import webhook
from sidecar.notices.sending import Mailbox, NotDelivered, post, signalled
from support.receivers import HttpReceiver, MailReceiver, Received
from support.servers import free_port

NOTICE = Notice(
    state=NoticeState.FIRING,
    severity=Severity.CRITICAL,
    set_name="main",
    title="[critical] Backups of bus_tracker, main: last run",
    text="failed: die Platte ist voll – 0 Byte",
)


async def said(url: str) -> str:
    """Why nothing arrived."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NotDelivered) as refused:
            await post(session, url, data="x")
    return str(refused.value)


async def test_a_webhook_gets_the_json_of_its_template() -> None:
    with HttpReceiver() as receiver:
        async with aiohttp.ClientSession() as session:
            send = webhook(session, Secret(f"{receiver.url}/services/T0/B0"), '{"topic": "{set}", "message": "{text}"}')
            await send(NOTICE)
        assert receiver.received == [
            Received(
                "/services/T0/B0",
                '{"topic": "main", "message": "failed: die Platte ist voll \\u2013 0 Byte"}',
                "application/json",
            )
        ]


async def test_what_is_no_success_is_said_without_the_address() -> None:
    with HttpReceiver([500, 302]) as receiver:
        assert await said(f"{receiver.url}/secret") == "the server answered 500"
        assert await said(f"{receiver.url}/secret") == "the server answered 302: expected the final address"
        receiver.says = "OK (not found)"
        assert await said(f"{receiver.url}/secret") == "the server does not know this address"
    assert await said(f"http://127.0.0.1:{free_port()}/secret") == "no connection: Connection refused"
    assert "secret" not in await said("http://secret.invalid/secret")


async def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.05)
    with MailReceiver() as deaf:  # says its greeting, which is no HTTP, and then waits
        assert (await said(f"http://127.0.0.1:{deaf.port}/secret")).startswith("no answer")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
        ("https://host/ping/a%20b?token=x/y", "https://host/ping/a%20b/fail?token=x/y"),
    ],
)
def test_a_signal_stands_behind_the_path(address: str, expected: str) -> None:
    assert signalled(address, "fail") == expected


# -- mail --------------------------------------------------------------------------------------------------------------


def mailbox(port: int, **more: Any) -> Mailbox:
    ours: dict[str, Any] = {"security": "none", "user": None, "password": None}
    addresses = {"sender": "backups@example.com", "recipients": ("a@example.com", "b@example.com")}
    return Mailbox(host="localhost", port=port, **(ours | addresses | more))


async def test_mail_arrives_at_everybody_with_its_umlauts() -> None:
    with MailReceiver() as receiver:
        await mailbox(receiver.port).send(NOTICE)
        mail = message_from_string(receiver.mails[0], policy=default)
        assert (mail["Subject"], mail["From"], mail["To"], mail["Auto-Submitted"]) == (
            NOTICE.title,
            "backups@example.com",
            "a@example.com, b@example.com",
            "auto-generated",
        )
        assert (mail.get_content().strip(), receiver.recipients) == (NOTICE.text, ["a@example.com", "b@example.com"])


async def refusal(box: Mailbox) -> str:
    with pytest.raises(NotDelivered) as refused:
        await box.send(NOTICE)
    return str(refused.value)


async def test_a_password_goes_over_tls_and_a_wrong_one_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with MailReceiver(tls, "hunter2") as receiver:
        box = mailbox(receiver.port, security="starttls", user="backups", password=Secret("hunter2"))
        assert "certificate is not trusted here" in await refusal(box)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        await box.send(NOTICE)
        assert len(receiver.mails) == 1
        wrong = mailbox(receiver.port, security="starttls", user="backups", password=Secret("hunter3"))
        assert await refusal(wrong) == "the mail server answered 535 (SMTPAuthenticationError)"


async def test_a_mail_server_that_is_not_there_or_offers_no_tls_is_said() -> None:
    assert await refusal(mailbox(free_port())) == "no connection to the mail server: Connection refused"
    with MailReceiver() as receiver:
        told = await refusal(mailbox(receiver.port, security="starttls"))
        assert told == "no connection to the mail server: SMTPNotSupportedError"
