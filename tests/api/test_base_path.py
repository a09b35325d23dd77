"""Behind a proxy that serves the sidecar below a path: one that takes the path off, one that leaves it, and none."""

from pathlib import Path

from support.served import ADMIN, Served
from support.servers import ServerProcess

BASE = "/ops/backups"


def test_a_base_path_is_one_more_way_to_everything(exact: ServerProcess, tmp_path: Path) -> None:
    with Served(exact, tmp_path / "backups", {"SIDECAR_BASE_PATH": f"{BASE}/"}) as below:
        assert_there_with_and_without_it(below)
        assert_named_in_what_we_say_of_ourselves(below)
        assert_counted_under_one_route(below)


def assert_there_with_and_without_it(below: Served) -> None:
    for page in ("/", "/docs", "/docs.css", "/openapi.json", "/healthz", "/readyz", "/api/admin/backups/health"):
        plain, based = below.get(page), below.get(BASE + page)
        assert (plain.status, based.status) == (200, 200), page
    assert [below.get(path, token=None).status for path in (f"{BASE}x/healthz", f"/x{BASE}/healthz")] == [404, 404]
    for page in ("/", "/docs"):  # a proxy may give it any path
        text = below.get(page, token=None).body.decode()
        assert 'href="/' not in text
        assert 'src="/' not in text


def assert_named_in_what_we_say_of_ourselves(below: Served) -> None:
    signed_in = below.post(f"{BASE}/api/admin/session", {"token": ADMIN}, token=None)
    assert f"Path={BASE}/;" in signed_in.headers["Set-Cookie"]
    lead = below.get(BASE, token=None)
    assert (lead.status, lead.headers["Location"]) == (308, f"{BASE}/")
    begun = below.post(f"{BASE}/api/admin/backups/trigger?backup_type=main&wait=0")
    assert begun.headers["Location"].startswith(f"{BASE}/api/admin/jobs/")
    assert below.get(begun.headers["Location"]).json["kind"] == "backup"
    refused = below.get(f"{BASE}/api/admin/jobs", token=None)
    assert (refused.status, refused.json["type"]) == (401, f"{BASE}/docs#unauthorised")
    assert below.get("/openapi.json").json["servers"] == [{"url": BASE}]
    assert next(one["url"] for one in below.log() if one["event"] == "sidecar.started").endswith(BASE)


def assert_counted_under_one_route(below: Served) -> None:
    for prefix in ("", BASE):
        below.get(f"{prefix}/api/admin/schedule")
    counted = {name: value for name, value in below.metrics().items() if "http_requests_total" in name}
    assert [value for name, value in counted.items() if '"/api/admin/schedule"' in name] == [2.0], counted
    assert not [name for name in counted if BASE in name]
