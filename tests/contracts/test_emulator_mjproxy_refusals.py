"""What the midjourney-proxy dialect refuses, in which words and codes; nothing refused is paid for."""

from __future__ import annotations

import base64
import io
import os

import pytest
import requests
from emulator_mjproxy_client import LAYERS, data_url, layer_of
from emulator_support import SLOW, Json
from PIL import Image

GIF, MOVING = data_url(kind="GIF"), "moving"


def moving_gif() -> str:
    out = io.BytesIO()
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pages[0].save(out, "GIF", save_all=True, append_images=pages[1:])
    return f"data:image/gif;base64,{base64.b64encode(out.getvalue()).decode()}"


def huge() -> str:
    side = 1300  # of noise, which PNG cannot make smaller: over five megabytes
    return data_url(Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)))


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("imagine", {}, "prompt不能为空"),
        ("imagine", {"prompt": "  "}, "prompt不能为空"),
        ("imagine", {"prompt": "a cat", "base64Array": ["aGVsbG8="]}, "base64格式错误"),
        ("imagine", {"prompt": "a cat", "base64Array": ["data:image/png;base64,%%"]}, "base64格式错误"),
        ("imagine", {"prompt": "a cat", "base64Array": ["data:image/png;base64,aGVsbG8="]}, "图片格式错误"),
        ("imagine", {"prompt": "a cat", "base64Array": [data_url(kind="BMP")]}, "图片格式错误"),
        ("blend", {"base64Array": [data_url()]}, "base64List参数错误"),
        ("blend", {"base64Array": [data_url()] * 6}, "base64List参数错误"),
        ("blend", {"base64Array": [data_url()] * 2, "dimensions": None}, "dimensions参数错误"),
        ("blend", {"base64Array": [data_url()] * 2, "dimensions": "ROUND"}, "dimensions参数错误"),
        ("describe", {}, "base64不能为空"),
        ("describe", {"base64": "aGVsbG8="}, "base64格式错误"),
    ],
)
def test_a_wrong_submit_is_refused_with_code_4(kind: str, body: Json, told: str) -> None:
    for layer in ("java", "plus"):
        with layer_of(layer, instant=True) as client:
            answer = client.submit(kind, **body)
            assert answer == {"code": 4, "description": told, "result": None, "properties": {}}
            assert client.view("stats")["paid_jobs"] == 0


def test_pictures_that_are_too_big_or_that_move_are_refused() -> None:
    with layer_of("plus", instant=True) as client:
        assert client.submit("describe", base64=moving_gif())["description"] == "图片格式错误"
        assert client.submit("describe", base64=huge())["description"] == "图片大小超过4MB限制"
        for kind in ("JPEG", "PNG", "GIF", "WEBP"):
            assert client.submit("describe", base64=data_url(kind=kind))["code"] == 1


def test_csharp_takes_bare_base64_and_addresses() -> None:
    with layer_of("csharp", instant=True) as client:
        bare = data_url().partition(",")[2]
        task = client.made(prompt="a cat", base64Array=[bare, "https://example.org/a.png"])
        assert "https://example.org/a.png a cat" in task["prompt"]
        assert client.submit("describe", link="https://example.org/a.png")["code"] == 1
        assert client.submit("blend", base64Array=[bare])["description"] == "图片参数错误，2~5张图片"
        assert client.submit("imagine", prompt="a cat", state="x" * 256)["code"] == 4
        assert client.submit("imagine", prompt="a cat", notifyHook="h" * 2001)["code"] == 4
        assert client.submit("video", prompt="a cat")["description"] == "视频功能未启用"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_banned_word_is_named(layer: str) -> None:
    with layer_of(layer, instant=True) as client:
        answer = client.submit("imagine", prompt="some Gore, please")
        assert (answer["code"], answer["description"], answer["result"]) == (24, "可能包含敏感词", None)
        assert answer["properties"] == {"promptEn": "some Gore, please", "bannedWord": "gore"}


def test_chinese_is_translated_where_the_layer_does() -> None:
    for layer, english in (("java", "a red fox --ar 3:2"), ("csharp", "一只红色的狐狸 --ar 3:2")):
        with layer_of(layer, instant=True) as client:
            task = client.made(prompt="一只红色的狐狸 --ar 3:2")
            assert (task["prompt"], task["promptEn"]) == ("一只红色的狐狸 --ar 3:2", english)


@pytest.mark.parametrize(
    ("layer", "code", "told"),
    [
        ("java", 23, "队列已满，请稍后尝试"),
        ("plus", 23, "队列已满，请稍后尝试"),
        ("csharp", 9, "提交失败，队列已满，请稍后重试"),
    ],
)
def test_tasks_wait_in_line_until_that_is_full(layer: str, code: int, told: str) -> None:
    with layer_of(layer, latency=SLOW, concurrency=2, mj_queue=2) as client:
        answers = [client.submit("imagine", prompt="a quiet lake") for _ in range(5)]
        assert [answer["code"] for answer in answers] == [1, 1, 1, 22, code]
        assert answers[3]["description"] == "排队中，前面还有1个任务"
        assert answers[3]["properties"]["numberOfQueues"] == 1
        assert (answers[4]["description"], answers[4]["result"]) == (told, None)
        assert client.view("stats")["paid_jobs"] == 4
        waiting = client.fetch(answers[2]["result"])
        assert (waiting["status"], waiting["startTime"], waiting["progress"]) == ("NOT_START", None, None)


def test_those_who_waited_start_when_others_end() -> None:
    with layer_of("plus", latency=100, concurrency=1) as client:
        ids = [client.accepted("imagine", prompt="a quiet lake") for _ in range(3)]
        client.advance(130)
        assert [client.fetch(task_id)["status"] for task_id in ids] == ["SUCCESS", "SUBMITTED", "NOT_START"]
        client.advance(130)
        client.advance(130)
        assert {client.fetch(task_id)["status"] for task_id in ids} == {"SUCCESS"}


def test_the_gateway_shows_no_code_22() -> None:
    with layer_of("gateway", latency=SLOW, concurrency=1, mj_queue=2) as client:
        answers = [client.submit("imagine", prompt="a quiet lake") for _ in range(4)]
        assert [answer["code"] for answer in answers] == [1, 1, 1, 23]
        assert answers[2]["description"] == "排队中，前面还有1个任务"


def test_a_used_up_quota_has_the_layers_code() -> None:
    for layer, status, code, told in (
        ("plus", 200, 3, "无可用的账号实例"),
        ("gateway", 400, 4, "quota_not_enough "),
    ):
        with layer_of(layer, instant=True, quota=0) as client:
            answer = client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"})
            assert (answer.status_code, answer.json()["code"], answer.json()["description"]) == (status, code, told)
    with layer_of("gateway", instant=True, quota=0, mj_balance_code=25) as client:
        assert client.submit("imagine", prompt="a quiet lake")["code"] == 25


def test_an_account_that_is_not_there_is_code_3_unless_the_gateway_strips_the_wish() -> None:
    wish = {"accountFilter": {"channelId": "17", "instanceId": "", "modes": [], "remark": "", "remix": True}}
    for layer, code in (("plus", 3), ("gateway", 1)):
        with layer_of(layer, instant=True) as client:
            assert client.submit("imagine", prompt="a quiet lake", **wish)["code"] == code
            mine = client.submit("imagine", prompt="a quiet lake")["properties"]["discordInstanceId"]
            named = {"accountFilter": {"channelId": mine, "instanceId": mine}}
            assert client.submit("imagine", prompt="a quiet lake", **named)["code"] == 1


@pytest.mark.parametrize(
    ("layer", "status", "code"), [("java", 400, None), ("plus", 400, None), ("csharp", 400, None), ("gateway", 400, 4)]
)
def test_what_is_no_json_object_is_a_400(layer: str, status: int, code: int | None) -> None:
    with layer_of(layer, instant=True) as client:
        for data in (b"{", b"[1]"):
            answer = requests.post(f"{client.url}/mj/submit/imagine", data=data, headers=client.headers, timeout=10)
            assert (answer.status_code, answer.json().get("code")) == (status, code)
        assert client.ask("/mj/submit/imagine", {"prompt": "a", "base64Array": "x"}).status_code == status


def test_the_gateways_own_refusals() -> None:
    with layer_of("gateway", instant=True) as client:
        for path, body, told in (
            ("/mj/submit/imagine", {}, "prompt_is_required "),
            ("/mj/insight-face/swap", {"sourceBase64": data_url()}, "sour_base64_and_target_base64_is_required "),
            ("/mj/submit/simple-change", {"content": "x"}, "invalid_request "),
        ):
            answer = client.ask(path, body)
            assert answer.status_code == 400
            assert answer.json() == {"description": told, "type": "upstream_error", "code": 4}


@pytest.mark.parametrize(
    ("layer", "status", "code"), [("java", 200, 23), ("plus", 200, 23), ("csharp", 429, None), ("gateway", 429, 30)]
)
def test_too_many_requests_are_told_in_the_layers_way(layer: str, status: int, code: int | None) -> None:
    with layer_of(layer, instant=True, chaos="rate_limit=1") as client:
        answer = client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"})
        assert answer.status_code == status
        assert (answer.json()["code"] if answer.content else None) == code


def test_broken_submits_make_no_job() -> None:
    for layer, codes in (("plus", {9}), ("gateway", {5})):
        with layer_of(layer, instant=True, chaos="submit_5xx=1") as client:
            answers = [client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"}) for _ in range(12)]
            assert {each.json()["code"] for each in answers if "json" in each.headers["Content-Type"]} == codes
            assert {502, 503} <= {each.status_code for each in answers}
            assert client.view("stats")["paid_jobs"] == 0


def test_an_ambiguous_submit_has_a_job() -> None:
    with layer_of("plus", instant=True, chaos="submit_timeout=1", hang=0.0) as client:
        cut = 0
        for _ in range(8):
            try:
                client.submit("imagine", prompt="a quiet lake")
            except requests.RequestException:
                cut += 1
        assert 0 < cut < 8
        assert client.view("stats")["paid_jobs"] == 8


@pytest.mark.parametrize("layer", LAYERS)
def test_ordered_faults_speak_the_dialect_under_every_prefix(layer: str) -> None:
    with layer_of(layer, instant=True) as client:
        path = "/mj/submit/imagine"
        faults = [{"path": path, "status": 500}, {"path": path, "status": 200, "code": 23, "message": "full"}]
        client.control("config", {"fail_next": faults})
        first = client.ask("/mj-fast" + path, {"prompt": "a quiet lake"})
        second = client.ask(path, {"prompt": "a quiet lake"})
        assert (first.status_code, first.json()["code"]) == (500, 9)
        assert (second.status_code, second.json()["code"], second.json()["description"]) == (200, 23, "full")
        assert client.submit("imagine", prompt="a quiet lake")["code"] == 1


def test_a_reset_forgets_windows_and_lines() -> None:
    with layer_of("plus", latency=100, concurrency=1, mj_remix=True) as client:
        grid = client.accepted("imagine", prompt="a quiet lake")
        client.advance(130)
        window = client.pressed(client.fetch(grid), "🔄")["result"]
        client.control("reset")
        assert client.ask(f"/mj/task/{window}/fetch").content == b""
        assert client.submit("imagine", prompt="a quiet lake")["code"] == 1


def test_uploads_faces_and_blends_give_pictures() -> None:
    with layer_of("plus", instant=True) as client:
        pictures = [data_url(Image.new("RGB", (60, 40), colour)) for colour in ("red", "blue")]
        uploaded = client.submit("upload-discord-images", base64Array=pictures)
        assert uploaded["code"] == 1
        assert [client.image(url).getpixel((0, 0)) for url in uploaded["result"]] == [(255, 0, 0), (0, 0, 255)]
        assert client.view("stats")["paid_jobs"] == 0
        assert client.submit("upload-discord-images", base64Array=[])["code"] == 4
        body = {"sourceBase64": pictures[0], "targetBase64": pictures[1]}
        swapped = client.done(client.ask("/mj/insight-face/swap", body).json()["result"])
        assert (swapped["action"], swapped["buttons"]) == ("SWAP_FACE", [])
        face = client.picture(swapped)
        assert (face.size, face.getpixel((0, 0)), face.getpixel((30, 12))) == ((60, 40), (0, 0, 255), (255, 0, 0))
        blended = client.made("blend", base64Array=pictures, dimensions="PORTRAIT")
        assert client.picture(blended).height > client.picture(blended).width
        assert (blended["action"], blended["prompt"]) == ("BLEND", "")
