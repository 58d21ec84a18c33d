"""AceData's edits and videos as a plain HTTP client sees them on the emulator."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from emulator_support import DEADLINE, SLOW, Client, Inbox, Json, emulating, error_of
from PIL import Image, ImageChops, ImageStat

FOREIGN = "https://pictures.example/fox.png"


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


def done(client: Client, path: str, **body: Any) -> Json:
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    result: Json = answer.json()
    assert result["success"] is True
    return result


def mask_of(image: Image.Image, box: tuple[int, int, int, int]) -> str:
    mask, out = Image.new("L", image.size), io.BytesIO()
    mask.paste(255, box)
    mask.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def difference(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int] | None = None) -> float:
    """Mean difference of brightness, 0..255, within a box."""
    return ImageStat.Stat(ImageChops.difference(one.convert("L"), other.convert("L")).crop(box)).mean[0]


def upscaled(client: Client) -> Json:
    grid = client.made(prompt="a quiet lake")
    return client.made(action="upscale1", image_id=grid["image_id"])


def boxes(data: bytes) -> dict[str, bytes]:
    """The boxes of an MP4 at its top level."""
    found, place = {}, 0
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        assert length >= 8
        found[data[place + 4 : place + 8].decode()] = data[place + 8 : place + length]
        place += length
    assert place == len(data)
    return found


def film_of(url: str) -> list[Image.Image]:
    """The frames of a film: every one is a JPEG, at the offset the sample table says."""
    answer = requests.get(url, timeout=DEADLINE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/mp4")
    data, movie = answer.content, boxes(answer.content)["moov"]
    (place,) = struct.unpack_from(">I", movie, movie.index(b"stco") + 12)
    at = movie.index(b"stsz") + 12
    (count,) = struct.unpack_from(">I", movie, at)
    frames: list[Image.Image] = []
    for size in struct.unpack_from(f">{count}I", movie, at + 4):
        frames.append(Image.open(io.BytesIO(data[place : place + size])))
        place += size
    assert place == len(data)
    return frames


def test_an_edit_has_no_actions_and_one_size(instant: Client) -> None:
    result = done(instant, "/midjourney/edits", image_url=FOREIGN, prompt="a red fox", mask=None, callback_url=None)
    assert "actions" not in result
    assert result["image_url"] == result["raw_image_url"]
    size = (result["image_width"], result["image_height"])
    assert size == (result["raw_image_width"], result["raw_image_height"])
    assert instant.image(result["image_url"]).size == size


def test_a_masked_edit_leaves_the_black_part_alone(instant: Client) -> None:
    grid = instant.made(prompt="a quiet lake")["image_id"]
    kept, changed = [], []
    for quadrant in (1, 2, 3, 4):
        single = instant.made(action=f"upscale{quadrant}", image_id=grid)["raw_image_url"]
        source = instant.image(single)
        mask = mask_of(source, (0, 0, source.width // 2, source.height))
        body = {"image_url": single, "prompt": "a red barn", "mask": mask, "split_images": True}
        edited = [instant.image(url) for url in done(instant, "/midjourney/edits", **body)["sub_image_urls"]]
        assert {image.size for image in edited} == {source.size}
        kept += [difference(image, source, (source.width * 3 // 4, 0, *source.size)) for image in edited]
        changed += [difference(image, source, (0, 0, source.width // 4, source.height)) for image in edited]
    assert min(kept) < 1  # of one of the sources, in one of the results: the others have defects
    assert min(changed) > 8


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x"},
        {"image_url": FOREIGN},
        {"image_url": "fox.png", "prompt": "x"},
        {"image_url": FOREIGN, "prompt": "x", "action": "upscale1"},
        {"image_url": FOREIGN, "prompt": "x", "mode": "slow"},
        {"image_url": FOREIGN, "prompt": "x", "mask": "!!"},
        {"image_url": 7, "prompt": "x"},
    ],
)
def test_edits_that_are_refused(instant: Client, body: Json) -> None:
    assert error_of(instant.post("/midjourney/edits", body)) == (400, "bad_request")
    assert instant.view("stats")["paid_jobs"] == 0


def test_a_mask_must_fit_a_picture_of_ours_and_may_have_any_size_for_others(instant: Client) -> None:
    mask = mask_of(Image.new("L", (50, 20)), (0, 0, 10, 10))
    own = upscaled(instant)["raw_image_url"]
    assert error_of(instant.post("/midjourney/edits", {"image_url": own, "prompt": "x", "mask": mask}))[0] == 400
    done(instant, "/midjourney/edits", image_url=FOREIGN, prompt="x", mask=mask)


@pytest.mark.parametrize("path", ["/midjourney/edits", "/midjourney/videos"])
def test_no_token_no_words_nobody_may_say_no_credit(instant: Client, path: str) -> None:
    body = {"image_url": FOREIGN, "prompt": "a fox"}
    assert error_of(instant.post(path, body, token=None)) == (400, "no_token")
    assert error_of(instant.post(path, {**body, "prompt": "nsfw"})) == (403, "forbidden")
    assert instant.post(path, {**body, "prompt": "a fox --nope"}).json()["error"]["code"] == "bad_request"
    instant.control("config", {"quota": 0})
    assert error_of(instant.post(path, body)) == (403, "used_up")
    instant.control("config", {"quota": None, "fail_next": {"path": path, "status": 429}})
    assert instant.post(path, body).status_code == 429


@pytest.mark.parametrize(("path", "kind"), [("/midjourney/edits", "edits"), ("/midjourney/videos", "videos")])
def test_async_and_poll(slow: Client, path: str, kind: str) -> None:
    answer = slow.post(path, {"image_url": FOREIGN, "prompt": "a fox", "async": True}).json()
    task = slow.task(id=answer["task_id"])
    assert (task["type"], "response" in task) == (kind, False)
    slow.control("advance", {"seconds": SLOW * 3})
    task = slow.task(id=answer["task_id"])
    assert (task["response"]["success"], task["response"]["progress"]) == (True, 100)
    listed = slow.post("/midjourney/tasks", {"action": "retrieve_batch", "ids": [answer["task_id"]]}).json()
    assert listed["items"] == [task]


@pytest.mark.parametrize("path", ["/midjourney/edits", "/midjourney/videos"])
def test_the_callback_carries_the_result_or_the_failure(slow: Client, inbox: Inbox, path: str) -> None:
    for prompt in ("a fox", "a fox broken-job"):
        slow.post(path, {"image_url": FOREIGN, "prompt": prompt, "callback_url": inbox.url})
        slow.control("advance", {"seconds": SLOW * 3})
    good, bad = sorted(inbox.wait(2), key=lambda body: not body["success"])
    assert good["progress"] == 100
    assert (bad["success"], bad["error"]["code"]) == (False, "task_failed")


def test_a_synchronous_answer_gives_up_in_time(slow: Client, inbox: Inbox) -> None:
    del inbox
    slow.control("config", {"latency": 0.01})
    assert done(slow, "/midjourney/videos", image_url=FOREIGN)["progress"] == 100
    slow.control("config", {"latency": SLOW})
    answer = slow.post("/midjourney/videos", {"image_url": FOREIGN, "timeout": 0.05})
    assert error_of(answer) == (504, "timeout")


def test_a_video_is_four_films_that_begin_with_the_picture(instant: Client) -> None:
    single = upscaled(instant)
    result = done(instant, "/midjourney/videos", image_url=single["raw_image_url"], prompt="clouds", mode="turbo")
    assert {"task_id", "video_id", "image_url", "image_width", "image_height", "trace_id"} <= set(result)
    films = [film_of(url) for url in result["video_urls"]]
    source = instant.image(single["raw_image_url"]).resize(films[0][0].size)
    for film in films:
        assert len(film) == 14
        assert difference(film[0], source) < 8
    assert len({film[-1].tobytes() for film in films}) == 4
    assert instant.image(result["image_url"]).size == (result["image_width"], result["image_height"])


def test_a_loop_ends_as_it_begins_and_an_end_image_ends_a_film(instant: Client) -> None:
    loop = done(instant, "/midjourney/videos", image_url=FOREIGN, loop=True, resolution="480p")
    film = film_of(loop["video_urls"][1])
    assert ImageChops.difference(film[0], film[-1]).getbbox() is None
    ended = [
        film_of(done(instant, "/midjourney/videos", image_url=first, end_image_url=FOREIGN)["video_urls"][0])[-1]
        for first in ("https://pictures.example/one.png", "https://pictures.example/two.png")
    ]
    assert ImageChops.difference(*ended).getbbox() is None


def test_an_extension_goes_on_where_the_film_ended(instant: Client) -> None:
    first = done(instant, "/midjourney/videos", image_url=FOREIGN)
    body = {"action": "extend", "video_id": first["video_id"], "video_index": 2}
    longer = film_of(done(instant, "/midjourney/videos", **body)["video_urls"][0])
    shorter = film_of(first["video_urls"][2])
    assert [frame.tobytes() for frame in longer[: len(shorter)]] == [frame.tobytes() for frame in shorter]
    assert len(longer) == 2 * len(shorter)
    again = done(instant, "/midjourney/videos", **body)
    assert instant.view("stats")["duplicates"]["image_and_action"] == {f"{first['video_id']} 2 video_extend": 2}
    assert again["video_id"] != first["video_id"]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x"},
        {"image_url": FOREIGN, "mode": "relax"},
        {"image_url": FOREIGN, "resolution": "1080p"},
        {"image_url": FOREIGN, "action": "upscale1"},
        {"image_url": FOREIGN, "end_image_url": "end.png"},
        {"action": "extend"},
        {"action": "extend", "video_id": "unknown"},
        {"action": "extend", "video_id": "unknown", "video_index": 4},
    ],
)
def test_videos_that_are_refused(instant: Client, body: Json) -> None:
    assert error_of(instant.post("/midjourney/videos", body)) == (400, "bad_request")


def test_films_that_do_not_exist(slow: Client) -> None:
    task = slow.post("/midjourney/videos", {"image_url": FOREIGN, "async": True}).json()["task_id"]
    for path in (f"{task}/0.mp4", f"{task}/9.mp4", "unknown/0.mp4"):
        assert requests.get(f"{slow.url}/midjourney/videos/{path}", timeout=DEADLINE).status_code == 404
