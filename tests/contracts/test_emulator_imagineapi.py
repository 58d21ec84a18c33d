"""ImagineAPI's contract as a plain HTTP client sees it on the emulator: rows, refusals, files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from emulator_rows import FIELDS, Rows, refusal
from emulator_support import DEADLINE, SLOW, Json, emulating
from PIL import Image

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def file_of(url: str) -> Image.Image:
    answer = requests.get(url, timeout=DEADLINE)
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.fixture
def instant() -> Iterator[Rows]:
    with emulating(instant=True) as client:
        yield Rows(client)


@pytest.fixture
def slow() -> Iterator[Rows]:
    with emulating(latency=SLOW) as client:
        yield Rows(client)


def test_a_new_row_is_pending_and_has_every_field(slow: Rows) -> None:
    row = slow.create("a pretty lady\nat the beach --ar 9:21", ref="order-17")
    assert list(row) == FIELDS
    assert (row["status"], row["prompt"], row["ref"]) == (
        "pending",
        "a pretty lady\nat the beach --ar 9:21",
        "order-17",
    )
    assert [row[key] for key in ("results", "progress", "url", "error", "upscaled_urls", "upscaled")] == [None] * 5 + [
        []
    ]
    assert UUID.fullmatch(row["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["date_created"])
    assert slow.client.view("jobs")["items"][0]["prompt"] == "a pretty lady at the beach --ar 9:21"


@pytest.mark.parametrize("path", ["/items/images", "/items/images/"])
def test_both_slash_forms_create_without_a_redirect(instant: Rows, path: str) -> None:
    assert instant.ask("POST", path, json={"prompt": "a quiet lake"}).status_code == 200
    assert instant.ask("GET", path).status_code == 200


def test_an_array_makes_several_rows(instant: Rows) -> None:
    rows = instant.ask("POST", "/items/images", json=[{"prompt": "one lake"}, {"prompt": "two lakes"}]).json()["data"]
    assert [row["prompt"] for row in rows] == ["one lake", "two lakes"]
    assert {row["id"] for row in rows} == {row["id"] for row in instant.found()}


def test_a_running_row_shows_another_file_each_frame(slow: Rows) -> None:
    row = slow.create()
    seen: list[Json] = []
    while (now := slow.get(row))["status"] != "completed":
        if now["url"] and now["results"] not in [earlier["results"] for earlier in seen]:
            seen.append(now)
        slow.client.control("advance", {"seconds": SLOW / 40})
    assert [frame["progress"] for frame in seen] in ([0, 15, 46, 78, 93], [0, 35, 35, 75], [0, 20, 50, 80])
    assert all(frame["status"] == "in-progress" and frame["url"].endswith(".webp") for frame in seen)
    assert all(frame["results"] in frame["url"] for frame in seen)
    assert file_of(seen[-1]["url"]).format == "WEBP"


def test_the_four_singles_are_the_very_quadrants_in_image_order(instant: Rows) -> None:
    row = instant.ended(instant.create("a quiet lake --ar 3:2"))
    assert (row["status"], row["progress"], row["error"]) == ("completed", None, None)
    grid, singles = file_of(row["url"]), [file_of(url) for url in row["upscaled_urls"]]
    width, height = grid.width // 2, grid.height // 2
    for place, single in enumerate(singles):
        left, top = place % 2 * width, place // 2 * height
        assert single.tobytes() == grid.crop((left, top, left + width, top + height)).tobytes()
    assert row["url"].endswith(f"/assets/{row['results']}/{row['results']}.png")


def test_upscaled_is_sorted_by_id_and_not_by_picture(instant: Rows) -> None:
    rows = [instant.ended(instant.create(f"lake {n}")) for n in range(4)]
    names = [[url.rpartition("/")[2].removesuffix(".png") for url in row["upscaled_urls"]] for row in rows]
    assert [row["upscaled"] for row in rows] == [sorted(four) for four in names]
    assert any(row["upscaled"] != four for row, four in zip(rows, names, strict=True))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--nope", "Midjourney message: Unrecognized argument(s): `--nope`"),
        ("nsfw", "Midjourney message: Banned prompt detected"),
        ("forbidden-later", "Midjourney message: Our AI moderators"),
    ],
)
def test_a_bad_prompt_is_accepted_and_fails_in_the_bot(instant: Rows, words: str, text: str) -> None:
    row = instant.ended(instant.create(f"a lake {words}"))
    assert row["status"] == "failed"
    assert row["error"].startswith(text)
    assert (row["upscaled_urls"], row["upscaled"]) == (None, [])


def test_a_failed_row_keeps_progress_and_url_of_its_last_frame(instant: Rows) -> None:
    row = instant.ended(instant.create("a lake broken-job"))
    assert row["status"] == "failed"
    assert row["error"] in (
        "Timeout while waiting for completion",
        "Timeout while waiting to start",
        "Timeout after prompt was sent",
        "Image not sent to API",
        "Unspecified error",
    )
    assert row["progress"] in (15, 20, 35)
    assert row["url"].endswith(".webp")
    assert file_of(row["url"]).format == "WEBP"


def test_without_credit_rows_are_taken_and_fail(slow: Rows) -> None:
    slow.client.control("config", {"quota": 1, "instant": True})
    rows = [slow.ended(slow.create()) for _ in range(2)]
    assert [(row["status"], row["error"]) for row in rows] == [
        ("completed", None),
        ("failed", "Midjourney credits exhausted"),
    ]


@pytest.mark.parametrize(("option", "word"), [(False, "pending"), (True, "queued")])
def test_more_than_the_bot_can_do_waits_and_is_done_in_turn(slow: Rows, option: bool, word: str) -> None:
    slow.client.control("config", {"concurrency": 1, "imagineapi": {"queued": option}})
    first, second = slow.create("first"), slow.create("second")
    assert second["status"] == word
    slow.client.control("advance", {"seconds": SLOW * 1.3})
    assert slow.get(first)["status"] == "completed"
    assert slow.get(second)["status"] == "pending"
    slow.client.control("advance", {"seconds": SLOW * 1.3})
    assert slow.get(second)["status"] == "completed"


def test_the_line_has_no_end(slow: Rows) -> None:
    slow.client.control("config", {"concurrency": 1})
    assert {slow.create(f"lake {n}")["status"] for n in range(15)} == {"pending"}


def test_without_ref_the_open_source_schema_has_no_such_field() -> None:
    with emulating(instant=True) as client:
        rows = Rows(client)
        client.control("config", {"imagineapi": {"ref": False}})
        assert list(rows.create()) == FIELDS[:-1]
        assert refusal(rows.ask("POST", "/items/images", json={"prompt": "x", "ref": "y"})) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "FAILED_VALIDATION")),
        ({"prompt": None}, (400, "FAILED_VALIDATION")),
        ({"prompt": ["x"]}, (400, "INVALID_PAYLOAD")),
        ({"prompt": "x", "status": "completed"}, (403, "FORBIDDEN")),
        (["x"], (400, "INVALID_PAYLOAD")),
        ({"prompt": "x" * 2**20}, (400, "INVALID_PAYLOAD")),
    ],
)
def test_bodies_that_make_no_row(instant: Rows, body: Any, expected: tuple[int, str]) -> None:
    assert refusal(instant.ask("POST", "/items/images", json=body)) == expected
    assert instant.client.view("stats")["paid_jobs"] == 0


def test_what_is_no_json_is_an_invalid_payload(instant: Rows) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(
        f"{instant.client.url}/items/images?access_token=secret", data=b"{", headers=headers, timeout=DEADLINE
    )
    assert refusal(answer) == (400, "INVALID_PAYLOAD")


def test_an_unknown_row_is_forbidden_and_so_is_another_users(instant: Rows) -> None:
    row = instant.create()
    for rows, name in ((instant, "7f360434-675f-4abb-8cca-1ca0bca6f1a6"), (Rows(instant.client, "other"), row["id"])):
        for method in ("GET", "PATCH", "DELETE"):
            assert refusal(rows.ask(method, f"/items/images/{name}", json={"prompt": "x"})) == (403, "FORBIDDEN")
    assert Rows(instant.client, "other").found() == []
    assert refusal(instant.ask("GET", "/items/secrets")) == (403, "FORBIDDEN")
    assert refusal(instant.ask("GET", "/items")) == (404, "ROUTE_NOT_FOUND")
    assert refusal(instant.ask("PUT", "/items/images")) == (404, "ROUTE_NOT_FOUND")


def test_tokens_are_judged_as_a_directus_does() -> None:
    with emulating(instant=True, tokens=(("main", "secret"),)) as client:
        assert refusal(Rows(client, None).ask("GET", "/items/images")) == (403, "FORBIDDEN")
        assert refusal(Rows(client, "wrong").ask("GET", "/items/images")) == (401, "INVALID_CREDENTIALS")
        for state, expected in (
            ("expired", (401, "TOKEN_EXPIRED")),
            ("disabled", (401, "INVALID_CREDENTIALS")),
            ("mismatched", (403, "INVALID_TOKEN")),
        ):
            client.control("config", {"token_states": {"main": state}})
            assert refusal(Rows(client).ask("GET", "/items/images")) == expected


def test_a_demo_account_may_have_so_many_rows(instant: Rows) -> None:
    instant.client.control("config", {"imagineapi": {"images": 2}})
    instant.create()
    two = [{"prompt": "x"}, {"prompt": "y"}]
    assert refusal(instant.ask("POST", "/items/images", json=two)) == (429, "IMAGE_ERROR")
    instant.create()
    assert refusal(instant.ask("POST", "/items/images", json=two[0])) == (429, "IMAGE_ERROR")
    assert len(instant.found()) == 2


def test_ordered_faults_speak_directus(instant: Rows) -> None:
    fault = {"path": "/items/images", "count": 1}
    for status, code in ((429, "REQUESTS_EXCEEDED"), (503, "SERVICE_UNAVAILABLE"), (500, "INTERNAL_SERVER_ERROR")):
        instant.client.control("config", {"fail_next": {**fault, "status": status, "retry_after": 2}})
        answer = instant.ask("POST", "/items/images/", json={"prompt": "x"})
        assert refusal(answer) == (status, code)
        assert answer.headers["Retry-After"] == "2"


def test_chaos_refuses_before_any_row(instant: Rows) -> None:
    instant.client.control("config", {"chaos": "rate_limit=1"})
    assert refusal(instant.ask("POST", "/items/images", json={"prompt": "x"})) == (429, "REQUESTS_EXCEEDED")
    instant.client.control("config", {"chaos": "submit_5xx=1"})
    assert {instant.ask("POST", "/items/images", json={"prompt": "x"}).status_code for _ in range(9)} == {500, 502, 503}
    assert instant.found() == []


def test_the_prompt_is_all_a_user_may_change(instant: Rows) -> None:
    row = instant.create()
    assert (
        instant.ask("PATCH", f"/items/images/{row['id']}/", json={"prompt": "else"}).json()["data"]["prompt"] == "else"
    )
    assert instant.get(row)["prompt"] == "else"
    assert refusal(instant.ask("PATCH", f"/items/images/{row['id']}", json={"status": "failed"})) == (403, "FORBIDDEN")


def test_a_row_can_be_deleted_when_it_is_a_day_old(instant: Rows) -> None:
    row = instant.create()
    assert refusal(instant.ask("DELETE", f"/items/images/{row['id']}")) == (403, "FORBIDDEN")
    instant.client.control("advance", {"seconds": 86_401})
    answer = instant.ask("DELETE", f"/items/images/{row['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(instant.ask("GET", f"/items/images/{row['id']}")) == (403, "FORBIDDEN")
    assert instant.found() == []


def test_the_bots_health_is_a_row_too(instant: Rows) -> None:
    instant.client.control("config", {"imagineapi": {"bot_status": "paused"}})
    assert instant.ask("GET", "/items/status").json() == {"data": {"id": 1, "bot_status": "paused", "message": None}}


def test_files_need_no_token_and_unknown_ones_are_forbidden(instant: Rows) -> None:
    row = instant.ended(instant.create())
    assert file_of(f"{instant.client.url}/assets/{row['upscaled'][0]}").format == "PNG"
    for name in (row["id"], "nonsense"):
        answer = requests.get(f"{instant.client.url}/assets/{name}/{name}.png", timeout=DEADLINE)
        assert refusal(answer) == (403, "FORBIDDEN")


def test_a_file_is_not_there_before_it_is_made(slow: Rows) -> None:
    row = slow.create()
    slow.client.control("advance", {"seconds": SLOW * 0.5})
    frame = slow.get(row)["url"]
    slow.client.control("advance", {"seconds": SLOW})
    assert slow.get(row)["status"] == "completed"
    assert file_of(frame).format == "WEBP"  # a file stays, though its row has gone on
