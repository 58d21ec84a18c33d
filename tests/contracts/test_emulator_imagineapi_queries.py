"""Directus' query parameters as the emulator's ImagineAPI understands them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator_rows import FIELDS, Rows, refusal
from emulator_support import emulating


@pytest.fixture
def instant() -> Iterator[Rows]:
    with emulating(instant=True) as client:
        yield Rows(client)


FOUND = [
    ('filter={"status":{"_eq":"completed"}}', "abc"),
    ("filter[status][_eq]=completed", "abc"),
    ("filter[status]=failed", "d"),
    ("filter[status][_neq]=completed", "d"),
    ("filter[ref][_in]=a,c", "ac"),
    ("filter[ref][_in][]=a&filter[ref][_in][]=b", "ab"),
    ('filter={"ref":{"_in":["b","d"]}}', "b"),
    ("filter[ref][_nin]=a,c", "b"),
    ("filter[ref][_null]=true", "d"),
    ("filter[ref][_nnull]=true", "abc"),
    ("filter[ref][_neq]=a", "bc"),
    ('filter={"_or":[{"ref":{"_eq":"a"}},{"status":{"_eq":"failed"}}]}', "ad"),
    ("filter[_and][0][status][_eq]=completed&filter[_and][1][prompt][_contains]=lake b", "b"),
    ("filter[prompt][_eq]=lake a", "a"),
    ("filter[date_created][_gte]=2024-01-01", "abcd"),
    ("filter[date_created][_lte]=2024-01-01T00:00:00Z", ""),
]


@pytest.fixture(scope="module")
def four() -> Iterator[Rows]:
    with emulating(instant=True) as client:
        rows = Rows(client)
        for name in "abc":
            rows.ended(rows.create(f"lake {name}", ref=name))
        rows.ended(rows.create("lake d broken-job"))
        yield rows


@pytest.mark.parametrize(("query", "expected"), FOUND)
def test_filters(four: Rows, query: str, expected: str) -> None:
    assert {row["prompt"][5] for row in four.found(query)} == set(expected)


def test_sorting_paging_and_counting(four: Rows) -> None:
    assert [row["prompt"][5] for row in four.found("sort=-status,-prompt")] == ["d", "c", "b", "a"]
    assert [row["prompt"][5] for row in four.found("sort=prompt&limit=2&offset=1")] == ["b", "c"]
    assert [row["prompt"][5] for row in four.found("sort=prompt&limit=3&page=2")] == ["d"]
    assert [row["id"] for row in four.found("limit=-1")] == sorted(row["id"] for row in four.found())
    body = four.ask("GET", "/items/images?limit=1&filter[status][_eq]=completed&meta=*").json()
    assert (body["meta"], len(body["data"])) == ({"total_count": 4, "filter_count": 3}, 1)
    assert four.ask("GET", "/items/images?meta=filter_count").json()["meta"] == {"filter_count": 4}


def test_a_list_is_cut_at_a_hundred(instant: Rows) -> None:
    instant.ask("POST", "/items/images", json=[{"prompt": "x"}] * 101)
    assert (len(instant.found()), len(instant.found("limit=-1"))) == (100, 101)


def test_only_the_fields_asked_for(four: Rows) -> None:
    row = four.found("fields=id,status&limit=1")[0]
    assert set(row) == {"id", "status"}
    assert four.get(row, fields="status") == {"status": row["status"]}
    assert set(four.found("fields[]=id&fields[]=url")[0]) == {"id", "url"}
    assert list(four.found("fields=*")[0]) == FIELDS


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter={", (400, "INVALID_QUERY")),
        ("filter[status][_like]=x", (400, "INVALID_QUERY")),
        ("limit=many", (400, "INVALID_QUERY")),
        ("limit=-2", (400, "INVALID_QUERY")),
        ("fields=internal_id", (403, "FORBIDDEN")),
        ("filter[internal_id][_eq]=1", (403, "FORBIDDEN")),
        ("sort=internal_id", (403, "FORBIDDEN")),
    ],
)
def test_wrong_queries(four: Rows, query: str, expected: tuple[int, str]) -> None:
    assert refusal(four.ask("GET", f"/items/images?{query}")) == expected
