"""Errors as HTTP answers: one status and one explanation for each."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from sidecar import errors
from sidecar.api import problems
from sidecar.errors import BackupNotFound, SidecarError, StorageError

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_of_problems_is_that_of_the_code() -> None:
    assert problems.reference_table() in (DOCS / "problems.md").read_text()


def test_every_error_of_the_tree_is_in_the_catalogue_with_a_meaning() -> None:
    assert set(errors.every_code()) - {"process_died"} <= set(problems.catalogue())
    assert [code for code, kind in problems.catalogue().items() if not problems.meaning(kind).endswith(".")] == []


def test_every_http_error_says_what_helps() -> None:
    kinds = problems.with_kinds(problems.HttpError)[1:]
    assert [kind.__name__ for kind in kinds if not kind.cure or "code" not in vars(kind)] == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (SidecarError, 500),
        (errors.ConfigError, 500),
        (errors.UsageError, 422),
        (errors.SourceError, 502),
        (errors.CountMismatch, 502),
        (errors.SourceUnavailable, 503),
        (errors.SourceStalled, 503),
        (errors.StorageError, 500),
        (errors.StorageFull, 507),
        (errors.Busy, 409),
        (errors.BackupNotFound, 404),
        (errors.BackupInvalid, 409),
        (errors.RestoreMismatch, 500),
        (problems.Unauthorised, 401),
        (problems.TooManyRequests, 429),
    ],
)
def test_the_status_is_that_of_the_class_or_of_its_nearest_parent(kind: type[SidecarError], status: int) -> None:
    assert problems.status_of(kind) == status
    assert problems.status_of_code(kind.code) == status


def test_a_kind_of_error_that_is_not_ours_has_the_status_and_the_explanation_of_its_parent() -> None:
    class Vanished(BackupNotFound):
        """Nobody has heard of it."""

    assert problems.body(Vanished("gone")) == problems.body(BackupNotFound("gone"))
    assert Vanished not in problems.with_kinds(BackupNotFound)


def test_a_code_on_record_that_nobody_knows_is_an_internal_failure() -> None:
    assert problems.status_of_code("process_died") == 500


def test_a_problem_says_what_happened_and_what_helps() -> None:
    told = problems.response(BackupNotFound("there is no backup x"))
    assert (told.status, told.content_type) == (404, "application/problem+json")
    assert json.loads(told.text or "") == {
        "type": "/docs#backup_not_found",
        "title": "No backup has this id, or the file does not exist",
        "status": 404,
        "code": "backup_not_found",
        "detail": "there is no backup x",
        "cure": "`sidecar list` shows all backups.",
    }


def test_what_is_to_be_hidden_is_taken_out_of_the_message() -> None:
    error = StorageError("reading /srv/x: no")
    assert problems.body(error, lambda text: text.replace("/srv/", "")).detail == "reading x: no"


def test_a_wait_is_said_in_a_header() -> None:
    assert problems.response(problems.TooManyRequests("slow down", 7)).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (web.HTTPNotFound(), "unknown_path"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), "method_not_allowed"),
        (web.HTTPRequestEntityTooLarge(10), "body_too_large"),
        (web.HTTPBadRequest(text="/etc/passwd"), "bad_request"),
        (web.HTTPExpectationFailed(), "bad_request"),
        (web.HTTPVersionNotSupported(), "internal"),
        (web.HTTPInternalServerError(text="secret"), "internal"),
    ],
)
def test_what_aiohttp_raises_becomes_a_problem_without_its_text(raised: web.HTTPException, code: str) -> None:
    told = problems.body(problems.of_http(raised, "id"))
    assert told.code == code
    assert "secret" not in told.model_dump_json()
    assert "passwd" not in told.model_dump_json()
