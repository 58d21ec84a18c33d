from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestrator.archive.keys import image_key, record_key
from orchestrator.archive.storage import open_archive
from orchestrator.errors import ArchiveFailed, ConfigError

SHA = "ab" * 32
TASK = "0190b0a0-0000-7000-8000-00000000000a"
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("name", "extension"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp"), ("GIF", "gif")])
def test_an_image_is_named_by_hash_and_decoded_format(name: str, extension: str) -> None:
    assert image_key(SHA, name) == f"images/ab/ab/{SHA}.{extension}"


def test_a_record_is_filed_under_the_month_in_utc() -> None:
    eastern = NEW_YEAR.astimezone(timezone(timedelta(hours=8))) - timedelta(seconds=1)
    assert record_key(TASK, NEW_YEAR) == f"records/2027/01/{TASK}.json"
    assert record_key(TASK.upper(), eastern) == f"records/2026/12/{TASK}.json"
    assert record_key(TASK, NEW_YEAR, 3) == f"records/2027/01/{TASK}.3.json"


@pytest.mark.parametrize(("sha256", "name"), [(SHA, "svg"), (SHA, "../png"), ("../" * 20, "png"), (SHA[:-1], "png")])
def test_nothing_else_becomes_the_key_of_an_image(sha256: str, name: str) -> None:
    with pytest.raises(ArchiveFailed):
        image_key(sha256, name)


@pytest.mark.parametrize(
    ("task_id", "created_at", "part"),
    [
        ("../../etc/passwd", NEW_YEAR, None),
        ("", NEW_YEAR, None),
        (TASK, NEW_YEAR, -1),
        (TASK, NEW_YEAR.replace(tzinfo=None), None),
    ],
)
def test_nothing_else_becomes_the_key_of_a_record(task_id: str, created_at: datetime, part: int | None) -> None:
    with pytest.raises(ArchiveFailed):
        record_key(task_id, created_at, part)


@pytest.mark.parametrize(
    "url",
    ["", "archive", "/srv/archive", "file://archive", "file://host/archive", "file:archive", "http://a.test/archive",
     "s3://", "s3:///prefix", "s3://key:secret@bucket/x", "az://container?sig=secret", "memory://a/b", "ftp://a/b"],
)  # fmt: skip
def test_other_urls_are_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match="ORCHESTRATOR_ARCHIVE_URL") as caught:
        open_archive(url)
    assert "secret" not in caught.value.message
