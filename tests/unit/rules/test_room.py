import pytest

from sidecar.model import MB, CollectionDetails, Manifest
from sidecar.rules.room import TEXT_PER_BSON, RoomNeeded, predicted_bytes, required_bytes, stored_per_bson


def a_manifest(size_bytes: int, bson_bytes: int) -> Manifest:
    detail = CollectionDetails(documents=1, bson_bytes=bson_bytes, fingerprint="0" * 64, escaped_documents=0)
    return Manifest.model_construct(file_size_bytes=size_bytes, collection_details={"users": detail})


LEGACY = Manifest.model_construct(file_size_bytes=9, collection_details={})


def test_a_backup_that_just_fits_may_begin() -> None:
    room = RoomNeeded(minimum_bytes=100 * MB, predicted_bytes=5 * MB)
    assert room.shortage(105 * MB, "/backups") is None
    assert room.shortage(105 * MB - 1, "/backups") == (
        "105.0 MiB are free in /backups, 105.0 MiB are needed: 100.0 MiB must stay free, the backup takes about 5.00 MiB"
    )
    assert room.needed_bytes == 105 * MB


@pytest.mark.parametrize(
    ("manifests", "ratio"),
    [
        ([], TEXT_PER_BSON),
        ([LEGACY], TEXT_PER_BSON),
        ([LEGACY, a_manifest(300, 0), a_manifest(300, 150), a_manifest(900, 1)], 2.2),
    ],
)
def test_how_large_the_text_will_be_is_told_by_the_newest_backup_that_knows(
    manifests: list[Manifest], ratio: float
) -> None:
    assert stored_per_bson(manifests, compressed=False) == pytest.approx(ratio)
    assert predicted_bytes(1000, ratio) == int(1000 * ratio)


COMPRESSED = a_manifest(300, 1000).model_copy(update={"compression": "zstd", "content_size_bytes": 2500})


@pytest.mark.parametrize(
    ("manifest", "compressed", "ratio"),
    [(COMPRESSED, True, 0.33), (COMPRESSED, False, 2.75), (a_manifest(2500, 1000), True, 2.75)],
)
def test_the_backup_before_a_change_of_the_form_never_predicts_too_little(
    *, manifest: Manifest, compressed: bool, ratio: float
) -> None:
    assert stored_per_bson([manifest], compressed=compressed) == pytest.approx(ratio)


def test_what_is_required_is_what_the_largest_set_needs_less_what_is_being_written() -> None:
    rooms = [RoomNeeded(100, 7), RoomNeeded(100, 50), RoomNeeded(100, 1)]
    assert required_bytes(rooms, draft_bytes=0) == 150
    assert required_bytes(rooms, draft_bytes=40) == 110
    assert required_bytes(rooms, draft_bytes=400) == 0
    assert required_bytes([], draft_bytes=0) == 0
