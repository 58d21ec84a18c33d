"""The emulator's pictures and their URLs: signed, mortal, and true to what was announced."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from emulator_support import DEADLINE, SLOW, Client, Inbox, emulating


def status_of(url: str) -> int:
    return requests.get(url, timeout=DEADLINE).status_code


def test_an_upscale_is_the_very_quadrant() -> None:
    with emulating(instant=True) as client:
        result = client.made(prompt="a quiet lake")
        grid = client.image(result["raw_image_url"])
        for n, box in enumerate([(0, 0, 64, 64), (64, 0, 128, 64), (0, 64, 64, 128), (64, 64, 128, 128)], start=1):
            single = client.made(action=f"upscale{n}", image_id=result["image_id"])
            assert client.image(single["raw_image_url"]).tobytes() == grid.crop(box).tobytes()


def test_a_four_times_upscale_enlarges_the_quadrant() -> None:
    with emulating(instant=True) as client:
        grid = client.made(prompt="a quiet lake")
        single = client.made(action="upscale2", image_id=grid["image_id"])
        large = client.made(action="upscale_4x", image_id=single["image_id"])
        assert client.image(large["raw_image_url"]).size == (256, 256)
        reduced = client.image(large["raw_image_url"]).resize((8, 8)).tobytes()
        original = client.image(single["raw_image_url"]).resize((8, 8)).tobytes()
        assert max(abs(a - b) for a, b in zip(original, reduced, strict=True)) < 16


def test_signed_urls_have_discords_form_and_live_a_day() -> None:
    with emulating(instant=True) as client:
        result = client.made(prompt="a quiet lake")
        raw, thumbnail = result["raw_image_url"], result["image_url"]
        assert raw.endswith("&")
        assert thumbnail == f"{raw}width=64&height=64"
        query = {key: values[0] for key, values in parse_qs(urlsplit(raw).query).items()}
        assert int(query["ex"], 16) - int(query["is"], 16) == 86400
        assert status_of(raw) == 200
        client.control("advance", {"seconds": 86401})
        assert (status_of(raw), status_of(thumbnail)) == (404, 404)


def test_a_touched_signature_is_refused() -> None:
    with emulating(instant=True) as client:
        raw = client.made(prompt="a quiet lake")["raw_image_url"]
        expires = parse_qs(urlsplit(raw).query)["ex"][0]
        spoilt = [raw.replace("hm=", "hm=0"), raw.replace(f"ex={expires}", f"ex={int(expires, 16) + 9:x}")]
        spoilt += [raw.partition("?")[0], raw.replace("attachments/1", "attachments/2"), raw.replace("hm=", "hm=é")]
        assert [status_of(url) for url in spoilt] == [404] * 5


def test_the_cdn_style_has_neither_signature_nor_end() -> None:
    with emulating(instant=True, url_style="cdn") as client:
        result = client.made(prompt="a quiet lake", split_images=True)
        assert result["raw_image_url"] == f"{client.url}/midjourney/{result['task_id']}.png"
        assert result["image_url"] == result["raw_image_url"] + "?imageMogr2/thumbnail/!50p"
        client.control("advance", {"seconds": 10**7})
        assert client.image(result["raw_image_url"]).size == (128, 128)
        assert client.image(result["image_url"]).size == (64, 64)
        assert client.image(result["sub_image_urls"][3]).size == (64, 64)


def test_progress_frames_are_webp_and_die_when_the_job_ends() -> None:
    inbox = Inbox()
    with emulating(latency=SLOW) as client:
        body = {"prompt": "a quiet lake", "callback_url": inbox.url}
        client.post("/midjourney/imagine", body, accept="application/x-ndjson")
        order = client.emulator.state.book.oldest_first()[0].order
        client.control("advance", {"seconds": order.seconds / (len(order.frames) + 1) + 60})
        (frame,) = inbox.wait(1)
        image = client.image(frame["raw_image_url"])
        assert (image.format, image.size) == ("WEBP", (frame["raw_image_width"], frame["raw_image_height"]))
        assert client.image(frame["image_url"]).size == (frame["image_width"], frame["image_height"])
        client.control("advance", {"seconds": SLOW * 2})
        done = inbox.wait(len(order.frames) + 1)[-1]
        assert (status_of(frame["raw_image_url"]), status_of(done["raw_image_url"])) == (404, 200)
    inbox.close()


def test_the_same_seed_replays_ids_and_pictures_and_another_does_not() -> None:
    def story(seed: int) -> tuple[str, str, str, bytes]:
        with emulating(instant=True, seed=seed) as client:
            result = client.made(prompt="a quiet lake")
            pixels = client.image(result["raw_image_url"]).tobytes()
            return result["task_id"], result["image_id"], result["trace_id"], pixels

    first = story(4)
    assert first == story(4)
    assert not set(first) & set(story(5))


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:1", (2048, 2048)), ("16:9", (2912, 1632)), ("9:16", (1632, 2912)), ("3:2", (2688, 1792))]
)
def test_ratios_have_the_sizes_of_the_service(ratio: str, size: tuple[int, int]) -> None:
    with emulating(instant=True, image_size=2048) as client:
        result = client.made(prompt=f"a quiet lake --ar {ratio}")
        assert (result["raw_image_width"], result["raw_image_height"]) == size
        assert (result["image_width"] * 2, result["image_height"] * 2) == size


def test_a_public_url_is_what_the_links_begin_with() -> None:
    with emulating(instant=True, public_url="https://pictures.example/") as client:
        result = client.made(prompt="a quiet lake")
        assert result["raw_image_url"].startswith("https://pictures.example/attachments/")


def test_pictures_of_unfinished_or_failed_jobs_do_not_exist(client_of_failure: Client) -> None:
    job = client_of_failure.emulator.state.book.oldest_first()[0]
    assert status_of(f"{client_of_failure.url}/midjourney/{job.task_id}.png") == 404
    assert status_of(f"{client_of_failure.url}/midjourney/anything.png") == 404


@pytest.fixture
def client_of_failure() -> object:
    with emulating(instant=True) as client:
        client.imagine(prompt="a cat --nope")
        yield client
