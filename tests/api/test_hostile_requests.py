"""A thousand requests that no honest client sends: the process stays up, tells nothing, and does not grow."""

import random
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from support.rig import BUSES, DB, PEOPLE
from support.served import ADMIN, READER, Served
from support.servers import ServerProcess, seed

REQUESTS = 1000
SECONDS = 1.0  # of silence, twice, with an honest request answered in between: the server waits for what we do not send
AT_ONCE = 32
MOST_PASSES = 5  # a leak grows with each; what many at once happened to need is there after a few
GROWTH_BYTES = 4 << 20
TOKEN = f"Authorization: Bearer {ADMIN}".encode()
STATUS = b"/api/admin/backups/status"
DEFECTS = ("http.unexpected", "task.died", "Unhandled exception")  # as they are logged; the last one by aiohttp


def head(method: bytes, target: bytes, *headers: bytes) -> bytes:
    return (
        b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers]) + b"\r\n\r\n"
    )


def bad_framing(random: random.Random) -> Iterator[bytes]:
    yield bytes(random.randrange(256) for _ in range(random.randrange(1, 400)))
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(200)  # a TLS hello
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"GET " + STATUS + b"\r\n\r\n"  # HTTP/0.9
    yield b"GET " + STATUS + b" HTTP/9.9\r\nHost: x\r\n\r\n"
    yield b"GET\x00" + STATUS + b" HTTP/1.1\r\n\r\n"
    yield head(b"GET", STATUS, TOKEN)[: random.randrange(1, 90)]
    yield (
        head(
            b"POST",
            b"/api/admin/session",
            b"Content-Length: 10",
            b"Content-Length: 2",
            b"Content-Type: application/json",
        )
        + b"{}"
    )
    yield head(b"POST", b"/api/admin/session", b"Content-Length: -1")
    yield head(b"POST", b"/api/admin/session", b"Content-Length: 99999999999999999999") + b"{"
    yield (
        head(b"POST", b"/api/admin/session", b"Transfer-Encoding: chunked", b"Content-Type: application/json")
        + b"zz\r\n{}\r\n"
    )
    yield (
        head(b"POST", b"/api/admin/session", b"Transfer-Encoding: chunked", b"Content-Length: 3")
        + b"ffffffffffffffff\r\n"
    )
    yield head(b"GET", STATUS, b"X: a\r\n b", TOKEN)
    yield head(b"GET", STATUS, b"X : y", TOKEN)
    yield head(b"GET", STATUS, b"X: y\rZ: w", TOKEN)


def huge_headers(random: random.Random) -> Iterator[bytes]:
    size = random.choice([9_000, 70_000, 300_000])
    yield head(b"GET", STATUS, b"X: " + b"a" * size, TOKEN)
    yield head(b"GET", STATUS, *[b"X-%d: y" % number for number in range(size // 20)], TOKEN)
    yield head(b"GET", b"/" + b"a" * size, TOKEN)
    yield head(b"GET", STATUS + b"?" + b"a=1&" * (size // 4), TOKEN)
    yield head(b"GET", STATUS, b"Cookie: " + b"a=b; " * (size // 5))
    yield head(b"GET", STATUS, b"Authorization: Bearer " + b"x" * size)
    yield b"A" * size


def path_tricks(random: random.Random) -> Iterator[bytes]:
    up = random.choice(
        [b"../", b"..%2f", b"%2e%2e/", b"%2e%2e%2f", b"..%5c", b"..%252f", b"....//", b"..%c0%af", b"%00/../"]
    )
    where = random.choice([b"", b"/download", b"/pin"])
    for target in (b"etc/passwd", b".history/history.sqlite3", b".locks/main.lock", b"seed_backup_20260101_000000"):
        yield head(
            random.choice([b"GET", b"DELETE", b"PUT"]),
            b"/api/admin/backups/" + up * random.randrange(1, 9) + target + where,
            TOKEN,
        )
    yield head(b"GET", b"/docs/" + up * 5 + b"etc/passwd")
    yield head(b"GET", b"//evil.example/" + up, TOKEN)
    yield head(b"GET", b"http://evil.example" + STATUS, TOKEN)
    yield head(b"GET", b"/api/admin/jobs/" + bytes(random.randrange(128, 256) for _ in range(20)), TOKEN)
    yield head(b"GET", b"/api/admin/backups/%00" + up + b"%ff%fe", TOKEN)
    yield head(b"GET", STATUS + b"?backup_type=main%00", TOKEN)
    yield head(b"GET", STATUS + b"?backup_type=main&backup_type=all&limit=1e999", TOKEN)


def strange_bodies(random: random.Random) -> Iterator[bytes]:
    bodies = [
        b"[" * 50_000,
        b"\xff\xfe",
        b"{}" * 30_000,
        b'{"token": "\\ud800"}',
        b'{"token": ' + b"9" * 5000 + b"}",
        b"null",
        b'"\0"',
        b"",
    ]
    for body in bodies:
        kind = random.choice(
            [
                b"application/json",
                b"application/json; charset=utf-7",
                b"text/xml",
                b"multipart/form-data; boundary=x",
                b"\xff",
            ]
        )
        length = random.choice([len(body), len(body) + 5, max(len(body) - 1, 0)])
        coding = random.choice(
            [b"X: y", b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Expect: 100-continue", b"Expect: x"]
        )
        yield (
            head(b"POST", b"/api/admin/session", b"Content-Type: " + kind, b"Content-Length: %d" % length, coding)
            + body
        )
    yield (
        head(b"PUT", b"/api/admin/backups/x/pin", TOKEN, b"Content-Type: application/json", b"Content-Length: 90000")
        + b" " * 90_000
    )


def wrong_credentials(random: random.Random) -> Iterator[bytes]:
    yield head(b"GET", STATUS, b"Authorization: Basic " + random.randbytes(30).hex().encode())
    yield head(b"GET", STATUS, b"Authorization: Bearer")
    yield head(b"GET", STATUS, b"Cookie: session_token=" + random.randbytes(60).replace(b"\r", b"").replace(b"\n", b""))
    yield head(b"GET", STATUS, b"Cookie: session_token=" + READER.encode())
    yield head(random.choice([b"TRACE", b"CONNECT", b"OPTIONS", b"PROPFIND", b"BREW", b"get"]), STATUS, TOKEN)


def hostile_requests(random: random.Random) -> Iterator[bytes]:
    while True:
        for kind in (bad_framing, huge_headers, path_tricks, strange_bodies, wrong_credentials):
            yield from kind(random)


def answer_to(served: Served, request: bytes) -> bytes:
    """All that comes back, also of a request that is never finished."""
    received = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as connection:
        with suppress(ConnectionError):  # closed while we were still sending
            connection.sendall(request)
        for ask in (lambda: served.get("/healthz"), lambda: None):
            with suppress(TimeoutError):
                while block := connection.recv(65536):
                    received += block
                break
            ask()
    return received


def resident_bytes(served: Served) -> int:
    assert served.process is not None
    pages = Path(f"/proc/{served.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def open_files(served: Served) -> int:
    assert served.process is not None
    return len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))


@pytest.fixture
def one_arena(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    """As in the container: what threads free goes back to one place, so that growth is what was kept and not where it lay."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups", {"MALLOC_ARENA_MAX": "1"}) as served:
        yield served


def test_hostile_requests_neither_stop_it_nor_learn_anything_nor_make_it_grow(one_arena: Served) -> None:
    served = one_arena
    served.back_up()
    requests = hostile_requests(random.Random(20261124))
    secrets = [
        ADMIN.encode(),
        READER.encode(),
        str(Path(__file__).parents[2]).encode(),
        b"/lib/python",
        b"root:",
        b"Traceback",
        b"SQLite",
    ]
    grown, statuses = [], Counter[bytes]()
    first, second = list(islice(requests, REQUESTS // 2)), list(islice(requests, REQUESTS // 2))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for half in (first, *[second] * MOST_PASSES):
            for request, answer in zip(half, pool.map(partial(answer_to, served), half), strict=True):
                assert not [secret for secret in secrets if secret in answer], (request[:300], answer[:600])
                statuses[answer[9:12]] += 1
            grown.append(resident_bytes(served))
            if len(grown) > 2 and grown[-1] - grown[-2] < GROWTH_BYTES:  # what was seen before does not make it grow
                break
    assert b"500" not in statuses
    assert {b"400", b"401", b"404", b"405", b"413", b"415", b"422"} <= set(statuses), statuses
    assert statuses[b""] < len(grown) * REQUESTS / 8, statuses
    assert served.process is not None
    assert served.process.poll() is None
    assert grown[-1] - grown[-2] < GROWTH_BYTES, grown
    assert open_files(served) < 60
    assert [line for line in served.log() if line["event"] in DEFECTS] == []
    assert len(served.get("/api/admin/backups/list").json["main"]) == 1


def test_a_body_that_does_not_unpack_is_no_defect_of_ours(served: Served) -> None:
    is_json = b"Content-Type: application/json"
    for method, target, status in (
        (b"POST", b"/api/admin/session", b"415"),
        (b"GET", b"/healthz", b"200"),
        (b"GET", STATUS, b"401"),
    ):
        for coding in (b"gzip", b"deflate", b"br", b"x"):
            encoding = b"Content-Encoding: " + coding
            request = head(method, target, encoding, is_json, b"Content-Length: 5") + b"hello"
            assert answer_to(served, request).split()[1] == status, (target, coding)
    assert [line for line in served.log() if line["event"] in DEFECTS] == []


def test_two_idempotency_keys_are_refused(served: Served) -> None:
    key = b"Idempotency-Key: a"
    target = b"/api/admin/backups/trigger?backup_type=main"
    request = head(b"POST", target, TOKEN, key, key, b"Content-Length: 0")
    assert b"expected one Idempotency-Key" in answer_to(served, request)


def test_a_header_that_is_no_text_is_refused_and_the_record_of_runs_stays(served: Served) -> None:
    for method, target, name in (
        (b"POST", b"/api/admin/backups/trigger?backup_type=main", b"Idempotency-Key"),
        *[
            (b"GET", STATUS, name)
            for name in (b"Origin", b"Cookie", b"Range", b"If-None-Match", b"Accept", b"User-Agent")
        ],
        (b"POST", b"/api/admin/backups/trigger?backup_type=main", b"Sec-Fetch-Site"),
        (b"GET", b"/metrics", b"Accept"),
        (b"GET", b"/", b"Accept-Encoding"),
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as client:
            client.sendall(head(method, target, TOKEN, name + b": \xff\xfe", b"Content-Length: 0"))
            answer = client.makefile("rb").readline()
        assert answer.split()[1] in ({b"422"} if name == b"Idempotency-Key" else {b"200", b"400", b"409"}), (
            name,
            answer,
        )
    assert not [path for path in (served.directory / ".history").iterdir() if "unreadable" in path.name]
