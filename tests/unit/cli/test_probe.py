"""Where a health check asks."""

import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidecar.cli import probe
from sidecar.cli.probe import Address
from sidecar.config.table import SETTINGS


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8001/healthz"),
        ({"SIDECAR_HOST": "::"}, "http://[::1]:8001/healthz"),
        ({"SIDECAR_HOST": "::1", "SIDECAR_PORT": "9"}, "http://[::1]:9/healthz"),
        ({"SIDECAR_HOST": "10.0.0.7", "SIDECAR_TLS_CERT": "/c"}, "https://10.0.0.7:8001/healthz"),
        ({"SIDECAR_HOST": "localhost"}, "http://localhost:8001/healthz"),
    ],
)
def test_it_asks_where_the_server_listens(environ: Mapping[str, str], url: str) -> None:
    assert str(probe.address(environ)) == url


def test_the_file_counts_where_the_environment_is_silent(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text('host = "::1"\nport = 9001\ntls_cert = "/c"\n')
    environ = {"SIDECAR_CONFIG": str(file), "SIDECAR_PORT": "9002"}
    assert probe.address(environ) == Address("::1", 9002, is_tls=True)


def test_the_defaults_are_those_of_the_settings() -> None:
    defaults = {setting.variable: setting.default for setting in SETTINGS}
    assert (defaults["SIDECAR_HOST"], defaults["SIDECAR_PORT"]) == (probe.HOST, probe.PORT)


@pytest.mark.parametrize("port", ["0", "70000", "tcp://10.0.0.7:8001", ""])
def test_a_port_that_is_none_is_a_usage_error(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.ask({"SIDECAR_PORT": port}) == probe.USAGE
    assert "SIDECAR_PORT: expected the number of a port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", 0), (b"HTTP/1.1 503 Busy\r\n\r\n", 1), (b"SSH-2.0\r\n", 1), (b"", 1)],
)
def test_only_an_answer_of_200_is_health(answer: bytes, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert probe.ask({"SIDECAR_HOST": "127.0.0.1", "SIDECAR_PORT": str(server.getsockname()[1])}) == code
        thread.join()


def test_nobody_there_is_a_failure_that_says_where_it_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.ask({"SIDECAR_HOST": "::1", "SIDECAR_PORT": "1"}) == probe.FAILED
    assert "http://[::1]:1/healthz" in capsys.readouterr().err
