"""AceData's contract as a plain HTTP client sees it on the emulator: actions, answers, errors, ways to wait."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from emulator_support import DEADLINE, SLOW, Client, Inbox, emulating, error_of
from PIL import Image

GRID = [*(f"upscale{n}" for n in (1, 2, 3, 4)), "reroll", *(f"variation{n}" for n in (1, 2, 3, 4))]
SINGLE = ["upscale_2x", "upscale_4x", "variation_subtle", "variation_strong", "zoom_out_2x", "zoom_out_1_5x"]
SINGLE += ["pan_left", "pan_right", "pan_up", "pan_down"]


@pytest.fixture
def instant() -> Iterator[Client]:
    with emulating(instant=True) as client:
        yield client


@pytest.fixture
def slow() -> Iterator[Client]:
    with emulating(latency=SLOW) as client:
        yield client


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def mask_of(width: int, height: int, *, mode: str = "L", colour: Any = 255, kind: str = "JPEG") -> str:
    out = io.BytesIO()
    Image.new(mode, (width, height), colour).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def test_a_synchronous_generate_answers_with_the_whole_result(instant: Client) -> None:
    result = instant.made(prompt="a quiet lake", callback_url=None, hd=True, something_new=1)
    assert result["success"] is True
    assert result["progress"] == 100
    assert result["actions"] == GRID
    assert len(result["image_id"]) == 19
    assert result["image_id"].isdigit()
    assert (result["image_width"] * 2, result["image_height"] * 2) == (128, 128)
    assert (result["raw_image_width"], result["raw_image_height"]) == (128, 128)


def test_every_action_of_a_single_image_makes_a_picture_of_the_announced_size(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake --ar 3:2")
    single = instant.made(action="upscale3", image_id=grid["image_id"])
    assert single["actions"] == [*SINGLE, "square"]
    for action in single["actions"]:
        result = instant.made(action=action, image_id=single["image_id"])
        size = (result["raw_image_width"], result["raw_image_height"])
        assert instant.image(result["raw_image_url"]).size == size
        assert instant.image(result["image_url"]).size == (size[0] // 2, size[1] // 2)


def test_every_action_of_a_grid_makes_what_it_says(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake")
    offered = {action: instant.made(action=action, image_id=grid["image_id"])["actions"] for action in GRID}
    assert offered == {action: SINGLE if action.startswith("upscale") else GRID for action in GRID}


def test_modern_versions_offer_the_web_clients_upscales(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake --v 6.1")
    single = instant.made(action="upscale1", image_id=grid["image_id"], prompt="a quiet lake --v 6.1")
    assert single["actions"][-2:] == ["upscale_subtle", "upscale_creative"]
    large = instant.made(action="upscale_creative", image_id=single["image_id"])
    assert "redo_upscale_subtle" in large["actions"]
    again = instant.made(action="redo_upscale_4x", image_id=large["image_id"])
    assert again["raw_image_width"] == 4 * single["raw_image_width"]


def test_split_images_adds_the_four_quadrants(instant: Client) -> None:
    result = instant.made(prompt="a quiet lake", split_images=True)
    grid = instant.image(result["raw_image_url"])
    parts = [instant.image(url) for url in result["sub_image_urls"]]
    boxes = [(0, 0, 64, 64), (64, 0, 128, 64), (0, 64, 64, 128), (64, 64, 128, 128)]
    assert [part.tobytes() for part in parts] == [grid.crop(box).tobytes() for box in boxes]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "bad_request")),
        ({"prompt": 5}, (400, "bad_request")),
        ({"prompt": "x", "mode": "warp"}, (400, "bad_request")),
        ({"prompt": "x", "timeout": -1}, (400, "bad_request")),
        ({"prompt": "x", "callback_url": "ftp://host/"}, (400, "bad_request")),
        ({"prompt": " ".join(["https://h/i.png"] * 6) + " six"}, (400, "bad_request")),
        ({"prompt": "https://h/i.png --iw 2"}, (400, "bad_request")),
        ({"prompt": "a Forbidden-word, really"}, (403, "forbidden")),
        ({"action": "upscale1"}, (400, "bad_request")),
        ({"action": "upscale1", "image_id": "1234197197067915365"}, (400, "bad_request")),
        ({"action": "upscale1", "image_id": "nonsense"}, (400, "bad_request")),
    ],
)
def test_a_wrong_request_is_refused_and_makes_no_job(instant: Client, body: dict[str, Any], expected: object) -> None:
    assert error_of(instant.imagine(**body)) == expected
    assert instant.view("stats")["paid_jobs"] == 0


def test_an_action_the_parent_does_not_offer_is_refused(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake")
    for action in ("upscale_2x", "upscale5", "square"):
        assert error_of(instant.imagine(action=action, image_id=grid["image_id"])) == (400, "bad_request")


def test_bodies_that_are_no_json_objects_are_refused(instant: Client) -> None:
    for data in (b"{", b"[1]", b""):
        headers = {"Authorization": "Bearer x"}
        answer = requests.post(f"{instant.url}/midjourney/imagine", data=data, headers=headers, timeout=DEADLINE)
        assert error_of(answer) == (400, "bad_request")


@pytest.mark.parametrize("path", ["/midjourney/dreams", "/nothing"])
def test_unknown_paths_answer_no_api(instant: Client, path: str) -> None:
    assert error_of(instant.post(path, {})) == (404, "no_api")


def test_tokens_are_checked_and_never_listed() -> None:
    states = (("tired", "expired"), ("off", "disabled"), ("other", "mismatched"), ("poor", "used_up"))
    names = ("good", *dict(states))
    with emulating(
        instant=True, tokens=tuple((name, f"secret-{name}") for name in names), token_states=states
    ) as client:
        answers = {name: client.post("/midjourney/imagine", {"prompt": "x"}, token=f"secret-{name}") for name in names}
        assert answers["good"].status_code == 200
        assert error_of(answers["tired"]) == (401, "token_expired")
        assert error_of(answers["off"]) == (403, "disabled")
        assert error_of(answers["other"]) == (400, "token_mismatched")
        assert error_of(answers["poor"]) == (403, "used_up")
        assert error_of(client.post("/midjourney/imagine", {}, token="guess")) == (401, "invalid_token")
        assert error_of(client.post("/midjourney/imagine", {}, token=None)) == (400, "no_token")
        assert "secret-" not in str(client.view("jobs")) + str(client.view("requests"))


def test_a_bad_flag_fails_later_with_the_words_of_the_service(instant: Client, inbox: Inbox) -> None:
    task_id = instant.imagine(prompt="a cat -c x", callback_url=inbox.url).json()["task_id"]
    (failure,) = inbox.wait(1)
    assert failure["error"] == {"code": "bad_request", "message": "Unrecognized argument(s): `-c`, `x`"}
    assert (failure["success"], failure["task_id"]) == (False, task_id)
    assert instant.task(id=task_id)["response"] == failure


def test_failures_of_synchronous_requests_have_their_status(instant: Client) -> None:
    answers = [instant.imagine(prompt=p) for p in ("a cat --nope", "forbidden-later", "broken-job", "a cat --ar 3by2")]
    seen = [(answer.status_code, answer.json()["error"]["code"], answer.json()["success"]) for answer in answers]
    assert seen == [(400, "bad_request", False), (403, "forbidden", False), (500, "task_failed", False), seen[0]]


def test_the_callback_comes_once_and_without_signature(instant: Client, inbox: Inbox) -> None:
    answer = instant.imagine(prompt="a quiet lake", callback_url=inbox.url)
    (result,) = inbox.wait(1)
    assert answer.json() == {"task_id": result["task_id"]}
    assert result["actions"] == GRID
    instant.settle()
    assert [entry["kind"] for entry in instant.view("callbacks")["items"]] == ["true"]


def test_streamed_frames_rise_and_only_the_last_can_be_acted_upon(instant: Client) -> None:
    frames = instant.lines(prompt="a quiet lake")
    progress = [frame["progress"] for frame in frames]
    assert progress == sorted(set(progress))
    assert progress[-1] == 100
    assert all(frame["success"] for frame in frames)
    assert len({frame["image_id"] for frame in frames}) == len(frames)
    assert [bool(frame["actions"]) for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert error_of(instant.imagine(action="upscale1", image_id=frames[0]["image_id"])) == (400, "bad_request")


def test_a_stream_that_fails_before_its_first_line_is_a_plain_error(instant: Client) -> None:
    answer = instant.post("/midjourney/imagine", {"prompt": "cat --nope"}, accept="application/x-ndjson")
    assert error_of(answer) == (400, "bad_request")


def test_a_stream_that_fails_in_the_middle_ends_with_the_error(instant: Client) -> None:
    frames = instant.lines(prompt="a broken-job")
    assert [frame["success"] for frame in frames] == [True, False]
    assert frames[-1]["error"]["code"] == "task_failed"


def test_ndjson_with_a_callback_url_posts_every_frame_in_order(instant: Client, inbox: Inbox) -> None:
    body = {"prompt": "a quiet lake", "callback_url": inbox.url}
    assert set(instant.post("/midjourney/imagine", body, accept="application/x-ndjson").json()) == {"task_id"}
    count = 1 + len(instant.emulator.state.book.oldest_first()[0].order.frames)
    progress = [frame["progress"] for frame in inbox.wait(count)]
    assert count >= 3
    assert progress == sorted(progress)


def test_async_tasks_are_polled_without_a_response_until_they_end(slow: Client) -> None:
    task_id = slow.post("/midjourney/imagine", {"prompt": "a quiet lake", "async": True}).json()["task_id"]
    pending = slow.task(task_id=task_id)
    assert not {"response", "finished_at"} & set(pending)
    slow.control("advance", {"seconds": 2 * SLOW})
    done = finished(slow, task_id)
    assert done["response"]["task_id"] == done["id"] == task_id
    assert done["request"] == {"prompt": "a quiet lake", "async": True}
    assert slow.task(trace_id=done["trace_id"]) == done


def finished(client: Client, task_id: str) -> dict[str, Any]:
    """The task when it has ended: the control API's clock has been pushed already."""
    for _ in range(2000):
        task = client.task(id=task_id)
        if "finished_at" in task:
            return task
    raise AssertionError(task)


def test_unknown_and_foreign_tasks_are_empty_or_missing(instant: Client) -> None:
    mine = instant.made(prompt="mine")["task_id"]
    theirs = instant.post("/midjourney/imagine", {"prompt": "theirs"}, token="other").json()["task_id"]
    unknown = "00000000-0000-4000-8000-000000000000"
    assert instant.task(id=unknown) == instant.task(id=theirs) == instant.task(trace_id=unknown) == {}
    batch = instant.post("/midjourney/tasks", {"action": "retrieve_batch", "ids": [mine, theirs, unknown], "id": ""})
    assert [item["id"] for item in batch.json()["items"]] == [mine]
    recent = instant.post("/midjourney/tasks", {"action": "retrieve_batch", "limit": 5}).json()
    assert (recent["count"], recent["items"][0]["id"]) == (1, mine)
    assert error_of(instant.post("/midjourney/tasks", {"action": "dance"})) == (400, "bad_request")


def test_a_synchronous_request_gives_up_at_its_timeout(slow: Client) -> None:
    assert error_of(slow.imagine(prompt="a quiet lake", timeout=0.05)) == (504, "timeout")
    assert slow.view("jobs")["items"][0]["state"] == "pending"


def test_the_sixth_job_in_flight_is_refused_until_one_ends(slow: Client, inbox: Inbox) -> None:
    for _ in range(5):
        assert slow.imagine(prompt="x", callback_url=inbox.url).status_code == 200
    assert error_of(slow.imagine(prompt="x", callback_url=inbox.url)) == (429, "too_many_requests")
    assert slow.post("/midjourney/imagine", {"prompt": "x", "async": True}, token="other").status_code == 200
    slow.control("advance", {"seconds": 2 * SLOW})
    inbox.wait(5)
    slow.control("config", {"concurrency": 1, "concurrency_code": "rate_limited"})
    assert slow.imagine(prompt="x", callback_url=inbox.url).status_code == 200
    assert error_of(slow.imagine(prompt="x", callback_url=inbox.url)) == (429, "rate_limited")


def test_the_quota_runs_out(instant: Client) -> None:
    instant.control("config", {"quota": 1})
    assert instant.imagine(prompt="x").status_code == 200
    assert error_of(instant.imagine(prompt="x")) == (403, "used_up")


def test_a_region_is_redrawn_where_the_mask_is_white(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake")
    single = instant.made(action="upscale1", image_id=grid["image_id"])
    size = (single["raw_image_width"], single["raw_image_height"])
    body = {"action": "variation_region", "image_id": single["image_id"], "prompt": "a cat"}
    for mask in (mask_of(*size), "data:image/png;base64," + mask_of(*size, kind="PNG"), "https://host/mask.png"):
        assert instant.made(**body, mask=mask)["actions"] == GRID
    wrong = [None, "", "no base64!", mask_of(size[0] + 1, size[1]), mask_of(*size, mode="RGB", colour=(255, 0, 0))]
    for mask in [*wrong, base64.b64encode(b"no picture").decode()]:
        assert error_of(instant.imagine(**body, mask=mask)) == (400, "bad_request")


def test_words_are_described_translated_shortened_and_seeds_told(instant: Client) -> None:
    image_id = instant.made(prompt="x")["image_id"]
    assert len(instant.post("/midjourney/describe", {"image_url": "https://h/i.png"}).json()["descriptions"]) == 4
    assert instant.post("/midjourney/translate", {"content": "一只可爱的猫"}).json() == {"content": "a cute cat"}
    assert instant.post("/midjourney/seed", {"image_id": image_id}).json()["seed"].isdigit()
    prompts = instant.post("/midjourney/shorten", {"prompt": "a very small house on the hill"}).json()["prompts"]
    assert 1 <= len(prompts) <= 5
    for path in ("describe", "translate", "seed", "shorten"):
        assert error_of(instant.post(f"/midjourney/{path}", {})) == (400, "bad_request")


def test_stopping_ends_every_thread_even_of_requests_that_wait() -> None:
    before = threading.active_count()
    with emulating(latency=SLOW) as client:
        asker = threading.Thread(target=lambda: client.imagine(prompt="never"))
        asker.start()
        while client.view("stats")["paid_jobs"] == 0:
            pass
    asker.join(DEADLINE)
    assert threading.active_count() == before
