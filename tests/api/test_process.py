"""The process: alive, ready, the same after a restart, one at a time, and quick beside a running backup."""

import gzip
import http.client
import json
import ssl
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sidecar.metrics import CATALOGUE
from sidecar.metrics.copies import COPIES
from support.command import files
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import DB, PEOPLE
from support.served import ADMIN, BACKUPS, Served
from support.servers import ServerProcess, seed

VOLATILE = (
    "age_seconds",
    "_checked_timestamp",
    "clock_timestamp",
    "http_",
    "log_messages",
    "scheduler_restarts",
    "storage_free",
)


def test_alive_and_ready_are_open_to_everybody(served: Served) -> None:
    assert served.get("/healthz", token=None).json == {"status": "ok"}
    assert served.get("/readyz", token=None).json == {"is_ready": True, "reasons": [], "role": "alone"}


def test_a_runbook_is_open_to_everybody_and_is_text(served: Served) -> None:
    answer = served.get("/runbooks/MongoBackupTooOld", token=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.body.decode().startswith("# MongoBackupTooOld\n")
    names = served.get("/runbooks", token=None).body.decode().splitlines()
    assert names == sorted(names)
    assert {"MongoBackupTooOld", "restore-in-an-emergency"} <= set(names)
    unknown = served.get("/runbooks/../secrets", token=None), served.get("/runbooks/MongoBackupNothing", token=None)
    assert [(one.status, one.json["code"]) for one in unknown] == [(404, "unknown_path")] * 2


def lasting(served: Served) -> dict[str, float]:
    return {name: value for name, value in served.metrics().items() if not any(part in name for part in VOLATILE)}


def test_the_first_scrape_after_a_restart_is_the_last_before_it(served: Served) -> None:
    served.back_up()
    served.post(f"{BACKUPS}/verify/{served.back_up()['backup_id']}?deep=true")
    served.post(f"{BACKUPS}/trigger?backup_type=attendance")
    before = lasting(served)
    for stop in (served.stop, served.kill):
        stop()
        served.start()
        assert lasting(served) == before


def test_every_series_of_the_catalogue_is_there_from_the_first_scrape(served: Served) -> None:
    text = served.get("/metrics", token=None).body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for family in CATALOGUE:
        found = families[f"mongobackup_{family.name.removesuffix('_total')}"]
        assert found.documentation == family.meaning
        labels = {tuple(sorted(sample.labels)) for sample in found.samples}
        assert labels == (set() if family in COPIES else {tuple(sorted(family.labels))}), family.name  # there is none
    assert "_created" not in text
    metrics = served.metrics()
    assert metrics['age_seconds{set="main"}'] == float("inf")
    assert metrics['run_failures_total{reason="storage_full",set="attendance"}'] == 0
    assert metrics['runs_total{set="main",trigger="scheduled"}'] == 0
    assert metrics["metrics_errors_total"] == 0


def test_openmetrics_is_given_to_who_prefers_it(served: Served) -> None:
    answer = served.call(
        "GET", "/metrics", token=None, headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = list(openmetrics.text_string_to_metric_families(answer.body.decode()))  # type: ignore[no-untyped-call] # it has no types
    units = {one.name: one.unit for one in families if one.name.startswith("mongobackup_")}
    words = {name: name.rpartition("_")[2] for name in units}
    assert units == {name: word if word in ("seconds", "bytes") else "" for name, word in words.items()}
    assert set(units.values()) == {"", "seconds", "bytes"}


def test_metrics_are_compressed_for_who_asks_for_it(served: Served) -> None:
    packed = served.call("GET", "/metrics", token=None, headers={"Accept-Encoding": "gzip"})
    plain = served.call("GET", "/metrics", token=None)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.body).startswith(plain.body[:80])
    assert len(packed.body) < len(plain.body) / 3


def test_metrics_are_what_the_disk_holds(served: Served) -> None:
    made = [served.back_up() for _ in range(2)]
    metrics = served.metrics()
    assert metrics['backups{set="main",state="valid"}'] == 2
    assert metrics['stored_bytes{set="main"}'] == sum(one["file_size_bytes"] for one in made)
    assert metrics['size_bytes{set="main"}'] == made[1]["file_size_bytes"]
    assert metrics['documents{set="main"}'] == 3250
    assert metrics['valid{set="main"}'] == metrics['last_run_success{set="main"}'] == 1
    assert metrics['missing_collections{set="main"}'] == 5
    assert metrics['runs_total{set="main",trigger="manual"}'] == 2
    assert 0 <= metrics['age_seconds{set="main"}'] < 60


def test_a_second_server_on_the_same_directory_is_refused_and_says_who_is_there(served: Served) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "sidecar", "serve"],
        env=served.environment | {"SIDECAR_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (second.returncode, served.process and str(served.process.pid) in second.stderr) == (4, True)


def test_what_a_killed_run_left_is_gone_when_the_server_starts(served: Served) -> None:
    made = served.back_up()["filename"]
    served.kill()
    left = served.directory / ".seed_backup_20260101_000000.json.tmp"
    left.write_bytes(b"half a back")
    served.start()
    assert not left.exists()
    assert (served.directory / made).exists()


def test_a_port_that_is_taken_is_named(served: Served, tmp_path: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "sidecar", "serve"],
        env=served.environment | {"BACKUP_DIR": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert second.returncode == 1
    assert f"127.0.0.1:{served.port}" in second.stderr


def test_a_token_is_made_and_shown_once_where_none_is_set(exact: ServerProcess, tmp_path: Path) -> None:
    served = Served(exact, tmp_path / "backups")
    served.variables = {"SIDECAR_ADMIN_TOKEN_FILE": ""}
    environment = {
        name: value for name, value in served.environment.items() if not name.startswith("SIDECAR_ADMIN_TOKEN")
    }
    with subprocess.Popen(
        [sys.executable, "-m", "sidecar", "serve"],
        env=environment | {"SIDECAR_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    url, _, token = line.strip().rpartition(" ")[2].partition("/#token=")
    assert url.startswith("http://127.0.0.1:")
    assert len(token) >= 32
    assert token not in out + err


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 1000])
def test_a_broken_record_stops_nothing(damage: bytes, served: Served) -> None:
    made = served.back_up()
    served.kill()
    for path in (served.directory / ".history").iterdir():
        path.unlink() if path.name.endswith(("-wal", "-shm")) else path.write_bytes(damage)
    served.start()
    assert served.metrics()['runs_total{set="main",trigger="manual"}'] == 1
    assert served.get("/api/admin/jobs").json["jobs"][0]["runs"][0]["backup_id"] == made["backup_id"]
    served.back_up()


def test_files_that_others_add_or_take_away_are_seen(served: Served) -> None:
    made = [served.back_up() for _ in range(2)]
    for name in files(served.directory):
        if name.startswith(made[1]["backup_id"]):
            (served.directory / name).unlink()
    (served.directory / "seed_backup_20200101_000000.json").write_text("{}")
    listed = served.get(f"{BACKUPS}/list?backup_type=main").json["main"]
    assert [(one["backup_id"], one["state"]) for one in listed] == [
        (made[0]["backup_id"], "valid"),
        ("seed_backup_20200101_000000", "orphan"),
    ]
    metrics = served.metrics()
    assert [metrics[f'backups{{set="main",state="{state}"}}'] for state in ("valid", "orphan", "invalid")] == [1, 1, 0]


def test_the_command_line_beside_a_server_is_seen_by_it(served: Served) -> None:
    seed(served.mongodb.uri, DB, {"attendance": PEOPLE})
    ended = subprocess.run(
        [sys.executable, "-m", "sidecar", "backup", "attendance"],
        env=served.environment,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert ended.returncode == 0
    assert served.get(f"{BACKUPS}/status").json["attendance"]["health"] == "healthy"
    checked = subprocess.run(
        [sys.executable, "-m", "sidecar", "healthcheck"], env=served.environment, check=False, timeout=PATIENCE_SECONDS
    )
    assert checked.returncode == 0


def test_https_is_served_where_a_certificate_is_set(exact: ServerProcess, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    variables = {"SIDECAR_TLS_CERT": str(tmp_path / "both.pem"), "SIDECAR_TLS_KEY": str(tmp_path / "both.pem")}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Served(exact, tmp_path / "backups", variables) as served:
        with closing(
            http.client.HTTPSConnection("localhost", served.port, timeout=PATIENCE_SECONDS, context=context)
        ) as connection:
            body = json.dumps({"token": ADMIN})
            connection.request("POST", "/api/admin/session", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, "; Secure" in str(answer.headers["Set-Cookie"])) == (200, True)
        checked = subprocess.run(
            [sys.executable, "-m", "sidecar", "healthcheck"],
            env=served.environment,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert checked.returncode == 0


def test_the_next_run_is_the_first_due_time_that_nobody_dealt_with(served: Served) -> None:
    metrics = served.metrics()
    shown = datetime.fromtimestamp(metrics['schedule_next_run_timestamp_seconds{set="main"}'], UTC)
    assert shown.isoformat() == served.get("/api/admin/schedule").json["entries"][0]["next_run"].replace("Z", "+00:00")
    served.post("/api/admin/schedule/pause?backup_type=main", {"until": "2099-06-01T00:00:00Z"})
    metrics = served.metrics()
    assert metrics['schedule_enabled{set="main"}'] == 0
    assert 0 <= metrics["clock_timestamp_seconds"] - metrics['schedule_paused_since_timestamp_seconds{set="main"}'] < 60
    assert (
        metrics['schedule_paused_until_timestamp_seconds{set="main"}'] == datetime(2099, 6, 1, tzinfo=UTC).timestamp()
    )
    assert metrics['schedule_paused_since_timestamp_seconds{set="attendance"}'] == 0


def test_the_intervals_of_verifications_and_drills_are_shown(served: Served) -> None:
    metrics = served.metrics()
    assert metrics['verification_interval_seconds{set="main"}'] == 24 * 3600
    assert metrics['restore_drill_interval_seconds{set="attendance"}'] == 7 * 24 * 3600


def faulty(tmp_path: Path) -> dict[str, str]:
    """What `support.faulty_sidecar` needs, with no fault yet."""
    faults = tmp_path / "faults"
    faults.mkdir()
    return {"FAULTS": str(faults), "PYTHONPATH": str(Path(__file__).parents[1])}


def test_a_directory_that_is_gone_is_not_taken_for_an_empty_one(exact: ServerProcess, tmp_path: Path) -> None:
    variables = faulty(tmp_path) | {"REFRESH_SECONDS": "0.5"}
    with Served(exact, tmp_path / "backups", variables, module="support.faulty_sidecar") as served:
        assert served.metrics()["storage_up"] == 1
        away = served.directory.rename(served.directory.with_name("away"))
        wait_for(lambda: not served.metrics()["storage_up"], served.metrics)
        assert served.metrics()["storage_free_bytes"] == 0
        away.rename(served.directory)
        wait_for(lambda: served.metrics()["storage_up"], served.metrics)


def test_promtool_finds_nothing_in_the_metrics(served: Served) -> None:
    served.back_up()
    text = served.get("/metrics", token=None).body
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=PATIENCE_SECONDS
    )
    days = b'mongobackup_storage_days_until_full use base unit "seconds" instead of "days"\n'  # what people plan in
    assert (checked.returncode, checked.stdout, checked.stderr) == (3, b"", days)


def test_a_metric_that_cannot_be_computed_is_counted_and_takes_no_other_with_it(
    exact: ServerProcess, tmp_path: Path
) -> None:
    variables = faulty(tmp_path)
    with Served(exact, tmp_path / "backups", variables, module="support.faulty_sidecar") as served:
        before = served.metrics()
        Path(variables["FAULTS"], "metrics").touch()
        after = served.metrics()
    assert before.keys() - after.keys() == {"storage_up"}
    assert (before["metrics_errors_total"], after["metrics_errors_total"]) == (0, 1)
