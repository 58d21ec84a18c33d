from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.expiry import expires_at

ISSUED = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://cdn.test/a.png?ex=662fdb36&is=662e89b6&hm=ca9b&", datetime(2024, 4, 29, 17, 39, 2, tzinfo=UTC)),
        ("https://cdn.test/a.png?ex=662FDB36", datetime(2024, 4, 29, 17, 39, 2, tzinfo=UTC)),
        (
            "https://b.test/k?X-Amz-Date=20261121T101112Z&X-Amz-Expires=3600",
            datetime(2026, 11, 21, 11, 11, 12, tzinfo=UTC),
        ),
        (
            "https://b.test/k?x-amz-date=20261121T101112Z&x-amz-expires=0",
            datetime(2026, 11, 21, 10, 11, 12, tzinfo=UTC),
        ),
        (
            "https://b.test/k?X-Goog-Date=20261121T101112Z&X-Goog-Expires=60",
            datetime(2026, 11, 21, 10, 12, 12, tzinfo=UTC),
        ),
        ("https://b.test/k?Expires=1795168800&Signature=x", datetime(2026, 11, 20, 10, 0, tzinfo=UTC)),
        ("https://b.test/k?sv=1&se=2026-11-21T10%3A11%3A12Z&sig=x", datetime(2026, 11, 21, 10, 11, 12, tzinfo=UTC)),
        ("https://b.test/k?se=2026-11-21T12:11%2B02:00", datetime(2026, 11, 21, 10, 11, tzinfo=UTC)),
        ("https://b.test/k?se=2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("https://platform.cdn.acedata.cloud/midjourney/t.png?imageMogr2/thumbnail/!50p", ISSUED + timedelta(days=30)),
        ("https://PLATFORM.cdn.acedata.cloud/midjourney/t.png", ISSUED + timedelta(days=30)),
        # of several times the earliest
        ("https://b.test/k?Expires=1795168800&ex=662fdb36", datetime(2024, 4, 29, 17, 39, 2, tzinfo=UTC)),
    ],
)
def test_a_stated_expiry_is_read(url: str, expected: datetime) -> None:
    assert expires_at(url, ISSUED) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "https://[::1",
        "https://cdn.test/a.png",
        "https://cdn.test/a.png?ex=",
        "https://cdn.test/a.png?ex=zzzz",
        "https://cdn.test/a.png?ex=-662fdb36",
        "https://cdn.test/a.png?ex=0x662fdb36",
        "https://cdn.test/a.png?ex=1",  # 1970: a counter, not a date
        "https://cdn.test/a.png?ex=ffffffffffff",
        "https://b.test/k?Expires=1795168800000",  # milliseconds
        "https://b.test/k?Expires=1_795_168_800",
        "https://b.test/k?Expires=Thu, 01 Dec 1994 16:00:00 GMT",
        "https://b.test/k?X-Amz-Expires=3600",
        "https://b.test/k?X-Amz-Date=2026-11-21&X-Amz-Expires=3600",
        "https://b.test/k?X-Amz-Date=20261121T101112Z&X-Amz-Expires=999999999999",
        "https://b.test/k?se=soon",
        "https://b.test/k?se=20261121",
        "https://b.test/k?se=0001-01-01T00:00:00%2B14:00",
        "https://platform.cdn.acedata.cloud.evil.test/a.png",
    ],
)
def test_what_cannot_be_read_is_unknown(url: str) -> None:
    assert expires_at(url, ISSUED) is None


def test_the_answer_is_in_utc_whatever_the_zone_of_issue() -> None:
    issued = ISSUED.astimezone(timezone(timedelta(hours=8)))
    found = expires_at("https://platform.cdn.acedata.cloud/a.png", issued)
    assert found is not None
    assert found.isoformat() == "2026-12-21T10:00:00+00:00"


@given(st.text(), st.sampled_from(["ex", "Expires", "se", "X-Amz-Date", "X-Amz-Expires", "x"]), st.text())
def test_no_text_raises(start: str, name: str, value: str) -> None:
    for url in (
        start,
        f"https://b.test/k?{name}={value}",
        f"https://b.test/?X-Amz-Date=20261121T101112Z&{name}={value}",
    ):
        found = expires_at(url, ISSUED)
        assert found is None or found.tzinfo is UTC
