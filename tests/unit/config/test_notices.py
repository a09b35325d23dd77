"""Who is told: addresses that are secrets, mail that is whole, a heartbeat for each set."""

from pathlib import Path

import pytest

from sidecar.config import Secret, load, warnings
from support.configuration import problems, with_file

MAIL = {
    "SIDECAR_SMTP_HOST": "mail.example.com",
    "SIDECAR_SMTP_FROM": "backups@example.com",
    "SIDECAR_SMTP_TO": "admin@example.com",
}


def test_each_set_has_the_common_address_its_own_or_none(tmp_path: Path) -> None:
    text = """
        [sets.main]
        heartbeat_url = "https://hc.example/of-main"
        [sets.attendance]
        heartbeat_url = ""
        [sets.logs]
        collections = ["logs"]
    """
    settings = load(with_file(tmp_path, text, SIDECAR_HEARTBEAT_URL="https://hc.example/{set}?rid=1"))
    assert dict(settings.heartbeats) == {
        "main": Secret("https://hc.example/of-main"),
        "logs": Secret("https://hc.example/logs?rid=1"),
    }
    assert {"https://hc.example/of-main", "https://hc.example/logs?rid=1"} <= set(settings.secrets())


def test_one_address_for_several_sets_is_allowed_and_warned_of() -> None:
    (said,) = warnings(load({"SIDECAR_HEARTBEAT_URL": "https://hc.example/one"}))
    assert said.startswith("main, attendance: one heartbeat address for all of them.")
    assert warnings(load({"SIDECAR_HEARTBEAT_URL": "https://hc.example/{set}"})) == []


@pytest.mark.parametrize(
    "url",
    ["hc.example/hunter2", "ftp://hunter2", "https://", "https://h/hunter2 x", "https://h/#hunter2", "https://[h"],
)
def test_what_is_no_address_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    expected = "expected an address https://… without blanks and without #"
    assert problems({"SIDECAR_WEBHOOK_URL": url}) == [f"SIDECAR_WEBHOOK_URL: {expected}"]
    text = f'[sets.main]\nheartbeat_url = "{url}"\n'
    assert problems(with_file(tmp_path, text)) == [f"sets.main.heartbeat_url: {expected}"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"SIDECAR_SMTP_TO": "admin"}, "SIDECAR_SMTP_TO: expected a mail address such as backups@example.com, not 'admin'"),
        ({"SIDECAR_SMTP_USER": "u"}, "SIDECAR_SMTP_USER and SIDECAR_SMTP_PASSWORD: expected both or neither"),
        (
            {"SIDECAR_SMTP_USER": "u", "SIDECAR_SMTP_PASSWORD": "p", "SIDECAR_SMTP_SECURITY": "none"},
            "SIDECAR_SMTP_SECURITY: expected starttls or tls, for the password travels in clear with none",
        ),
        ({"SIDECAR_WEBHOOK_TEMPLATE": "{}"}, "SIDECAR_WEBHOOK_TEMPLATE: expected SIDECAR_WEBHOOK_URL too"),
    ],
)  # fmt: skip
def test_mail_that_could_not_be_sent_is_a_problem(more: dict[str, str], problem: str) -> None:
    assert problems(MAIL | more) == [problem]


def test_a_mail_server_without_anybody_to_write_to_is_a_problem() -> None:
    assert problems({"SIDECAR_SMTP_HOST": "mail.example.com"}) == [
        "SIDECAR_SMTP_HOST, SIDECAR_SMTP_FROM and SIDECAR_SMTP_TO: expected all three or none"
    ]
