"""Buttons of the midjourney-proxy dialect: which there are, what a press makes, windows that want to be confirmed."""

from __future__ import annotations

import base64
import io

import pytest
from emulator_mjproxy_client import MjClient, button, data_url, layer_of
from emulator_support import SLOW, Json
from PIL import Image, ImageChops, ImageDraw

GRID = ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4"]
VARY = ["Vary (Subtle)", "Vary (Strong)"]
REGION, ZOOMS = ["Vary (Region)"], ["Zoom Out 2x", "Zoom Out 1.5x", "Custom Zoom"]
CLEAN = "U4"  # of the first job of the default seed: the quadrant without a defect
PANS = ["⬅️", "➡️", "⬆️", "⬇️"]
TWICE, SUBTLE = ["Upscale (2x)", "Upscale (4x)"], ["Upscale (Subtle)", "Upscale (Creative)"]


def labels(task: Json) -> list[str]:
    return [each["label"] or each["emoji"] for each in task["buttons"]]


def single(client: MjClient, prompt: str = "a quiet lake") -> Json:
    return client.after(client.made(prompt=prompt), "U1")


def mask_for(client: MjClient, task: Json) -> tuple[Image.Image, str]:
    """A mask with a white box at the upper left, and its base64 without prefix."""
    mask = Image.new("L", client.picture(task).size)
    ImageDraw.Draw(mask).rectangle((0, 0, mask.width // 2, mask.height // 2), fill=255)
    out = io.BytesIO()
    mask.save(out, "PNG")
    return mask, base64.b64encode(out.getvalue()).decode()


def quadrants(grid: Image.Image) -> list[Image.Image]:
    width, height = grid.width // 2, grid.height // 2
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    return [grid.crop((left, top, left + width, top + height)) for left, top in corners]


def changes(before: Image.Image, after: Image.Image, mask: Image.Image) -> float:
    """How much changed outside the mask, beside what changed inside."""
    change = ImageChops.difference(before, after).convert("L")
    inside, outside = (ImageChops.multiply(change, where) for where in (mask, ImageChops.invert(mask)))
    return sum(outside.tobytes()) / max(1, sum(inside.tobytes()))


def test_a_grids_buttons_are_written_exactly() -> None:
    with layer_of("plus", instant=True) as client:
        task = client.made()
        job = task["properties"]["messageHash"]
        assert labels(task) == GRID
        assert task["buttons"][1] == {
            "customId": f"MJ::JOB::upsample::2::{job}",
            "emoji": "",
            "label": "U2",
            "style": 2,
            "type": 2,
        }
        assert task["buttons"][4]["customId"] == f"MJ::JOB::reroll::0::{job}::SOLO"
        assert task["buttons"][8]["customId"] == f"MJ::JOB::variation::4::{job}"


@pytest.mark.parametrize(
    ("words", "expected", "models"),
    [
        ("--v 4", VARY, []),
        ("--v 5.2", TWICE + VARY + REGION + ZOOMS + PANS, ["v5_2x", "v5_4x"]),
        ("--v 6", SUBTLE + VARY + REGION + ZOOMS + PANS, ["v6_2x_subtle", "v6_2x_creative"]),
        ("", SUBTLE + VARY + REGION + ZOOMS + PANS, ["v6r1_2x_subtle", "v6r1_2x_creative"]),
        ("--v 7", SUBTLE + VARY + REGION + ZOOMS + PANS, ["v7_2x_subtle", "v7_2x_creative"]),
        ("--v 8", VARY + REGION, []),
        ("--niji 5", TWICE + VARY + REGION + ZOOMS + PANS, ["v5_2x", "v5_4x"]),
        ("--niji", SUBTLE + VARY + REGION + ZOOMS + PANS, ["v6_2x_subtle", "v6_2x_creative"]),
        ("--niji 7", SUBTLE + VARY + REGION + ZOOMS + PANS, ["v7_2x_subtle", "v7_2x_creative"]),
    ],
)
def test_an_upscales_buttons_depend_on_the_model(words: str, expected: list[str], models: list[str]) -> None:
    with layer_of("csharp", instant=True) as client:
        task = single(client, f"a quiet lake {words}".strip())
        assert labels(task) == [*expected, "🔄"]
        job = task["jobId"]
        ids = [each["customId"] for each in task["buttons"] if "upsample_" in each["customId"]]
        assert ids == [f"MJ::JOB::upsample_{model}::1::{job}::SOLO" for model in models]


def test_the_bot_decides_the_model_too_and_plus_shows_the_heart() -> None:
    with layer_of("plus", instant=True) as client:
        task = client.after(client.made(botType="NIJI_JOURNEY"), "U1")
        assert "upsample_v6_2x_subtle" in button(task, "Upscale (Subtle)")
        assert labels(task)[-1] == "❤️"
        assert client.pressed(task, "❤️")["code"] == 4


@pytest.mark.parametrize(
    ("label", "plus", "csharp"),
    [
        ("Upscale (Subtle)", "UPSCALE", "UPSCALE_HD"),
        ("Vary (Strong)", "VARIATION", "VARIATION"),
        ("Zoom Out 2x", "ZOOM", "ZOOM"),
        ("⬅️", "PAN", "PAN"),
        ("🔄", "REROLL", "IMAGINE"),
    ],
)
def test_a_press_has_the_layers_name(label: str, plus: str, csharp: str) -> None:
    for layer, action in (("plus", plus), ("csharp", csharp)):
        with layer_of(layer, instant=True) as client:
            assert client.after(single(client), label)["action"] == action


@pytest.mark.parametrize(
    ("label", "action"),
    [("Vary (Subtle)", "LOW_VARIATION"), ("Vary (Strong)", "HIGH_VARIATION"), ("⬆️", "PAN"), ("🔄", "REROLL")],
)
def test_the_gateway_has_names_of_its_own(label: str, action: str) -> None:
    with layer_of("gateway", instant=True) as client:
        assert client.after(single(client), label)["action"] == action


def test_every_button_that_needs_no_window_makes_a_picture() -> None:
    with layer_of("plus", instant=True) as client:
        grid = client.made(prompt="a quiet lake --ar 3:2")
        for label in GRID:
            assert client.after(grid, label)["status"] == "SUCCESS"
        one = client.after(grid, "U3")
        for label in [*SUBTLE, *VARY, *ZOOMS[:2], *PANS, "🔄"]:
            after = client.after(one, label)
            assert labels(after) == GRID or label in SUBTLE
            client.picture(after)


def test_an_upscale_is_the_very_quadrant() -> None:
    with layer_of("plus", instant=True) as client:
        grid = client.made()
        whole = client.picture(grid)
        part = whole.crop((whole.width // 2, 0, whole.width, whole.height // 2))
        assert client.picture(client.after(grid, "U2")).tobytes() == part.tobytes()


def test_an_enlarged_picture_is_twice_as_wide() -> None:
    with layer_of("plus", instant=True) as client:
        one = single(client)
        large = client.after(one, "Upscale (Creative)")
        assert client.picture(large).width == 2 * client.picture(one).width
        assert labels(large) == [*VARY, *REGION, *ZOOMS, "🔄", "❤️"]


def test_a_press_copies_state_and_parent() -> None:
    with layer_of("csharp", instant=True) as client:
        grid = client.made(state="first")
        task = client.done(client.pressed(grid, "V1", state="second")["result"])
        assert (task["state"], task["parentId"], task["prompt"]) == ("second", grid["id"], grid["prompt"])
        assert task["description"] == f"/up {grid['id']} V1"


@pytest.mark.parametrize(
    ("layer", "custom_id", "status", "told"),
    [
        ("gateway", "MJ::JOB::animate_high::1::x::SOLO", 400, "unknown_action:MJ::JOB::animate_high::1::x::SOLO "),
        ("gateway", "MJ::Job::PicReader::1", 400, "unknown_action:MJ::Job::PicReader::1 "),
        ("gateway", "", 400, "custom_id_is_required "),
        ("csharp", "MJ::JOB::nonsense::1::x", 200, "未知的 Action 类型"),
        ("csharp", "", 200, "参数错误"),
        ("plus", "MJ::JOB::upsample::1::of-another-job", 200, "关联任务不允许执行变化"),
    ],
)
def test_a_button_that_is_not_there_is_refused(layer: str, custom_id: str, status: int, told: str) -> None:
    with layer_of(layer, instant=True) as client:
        task = client.made()
        answer = client.ask("/mj/submit/action", {"taskId": task["id"], "customId": custom_id})
        assert (answer.status_code, answer.json()["code"], answer.json()["description"]) == (status, 4, told)
        assert client.view("stats")["paid_jobs"] == 1


@pytest.mark.parametrize(
    ("layer", "status", "code", "told"),
    [
        ("plus", 200, 3, "关联任务不存在或已失效"),
        ("csharp", 404, 3, "关联任务不存在或已失效"),
        ("gateway", 400, 4, "task_not_found "),
    ],
)
def test_a_missing_parent_is_told(layer: str, status: int, code: int, told: str) -> None:
    with layer_of(layer, instant=True) as client:
        body = {"taskId": "1700000000000000", "customId": "MJ::JOB::upsample::1::x"}
        answer = client.ask("/mj/submit/action", body)
        assert (answer.status_code, answer.json()["code"], answer.json()["description"]) == (status, code, told)


@pytest.mark.parametrize(
    ("layer", "status", "told"), [("plus", 200, "关联任务状态错误"), ("gateway", 400, "task_status_not_success ")]
)
def test_an_unfinished_parent_is_refused(layer: str, status: int, told: str) -> None:
    with layer_of(layer, latency=SLOW) as client:
        body = {"taskId": client.accepted("imagine", prompt="a quiet lake"), "customId": "MJ::JOB::upsample::1::x"}
        answer = client.ask("/mj/submit/action", body)
        assert (answer.status_code, answer.json()["code"], answer.json()["description"]) == (status, 4, told)


@pytest.mark.parametrize(("layer", "said"), [("plus", "窗口等待"), ("csharp", "Waiting for window confirm")])
def test_a_custom_zoom_waits_for_its_prompt_and_keeps_its_id(layer: str, said: str) -> None:
    with layer_of(layer, instant=True) as client:
        one = single(client)
        answer = client.pressed(one, "Custom Zoom")
        assert (answer["code"], answer["description"]) == (21, said)
        assert answer["properties"] == {"finalPrompt": "a quiet lake --zoom 2", "remix": True}
        task_id = answer["result"]
        assert (client.fetch(task_id)["status"], client.view("stats")["paid_jobs"]) == ("MODAL", 2)
        for wrong in ("a quiet lake", "a quiet lake --zoom 3", "a quiet lake --zoom x"):
            assert client.submit("modal", taskId=task_id, prompt=wrong)["code"] == 4
        confirmed = client.submit("modal", taskId=task_id, prompt="a quiet lake --zoom 1.5")
        assert (confirmed["code"], confirmed["result"]) == (1, task_id)
        assert client.done(task_id)["action"] == "ZOOM"
        assert client.view("stats")["paid_jobs"] == 3


def test_the_older_form_of_custom_zoom_is_understood() -> None:
    with layer_of("plus", instant=True) as client:
        one = single(client)
        custom_id = button(one, "Custom Zoom").replace("::1::", "::")
        assert client.submit("action", taskId=one["id"], customId=custom_id)["code"] == 21


def test_a_window_is_confirmed_once_and_under_its_own_id() -> None:
    with layer_of("plus", instant=True) as client:
        one = single(client)
        task_id = client.pressed(one, "Custom Zoom")["result"]
        assert client.submit("modal", taskId=one["id"], prompt="a lake --zoom 2")["code"] == 4
        assert client.submit("modal", taskId="1700000000000000")["code"] == 3
        assert client.submit("modal", taskId=task_id)["code"] == 1
        assert client.submit("modal", taskId=task_id)["code"] == 4
        assert client.view("stats")["paid_jobs"] == 3


def test_a_region_is_drawn_anew_where_the_mask_is_white() -> None:
    with layer_of("plus", instant=True) as client:
        one = client.after(client.made(), CLEAN)
        mask, text = mask_for(client, one)
        task_id = client.pressed(one, "Vary (Region)")["result"]
        assert client.submit("modal", taskId=task_id, prompt="a boat")["code"] == 4
        wrong = data_url(Image.new("L", (30, 30)))
        assert "30x30" in client.submit("modal", taskId=task_id, prompt="a boat", maskBase64=wrong)["description"]
        assert client.submit("modal", taskId=task_id, prompt="a boat", maskBase64=text)["result"] == task_id
        task = client.done(task_id)
        assert (task["action"], task["prompt"]) == ("VARIATION", "a boat")
        best = min(changes(client.picture(one), each, mask) for each in quadrants(client.picture(task)))
        assert best < 0.05  # in the other quadrants the region isn't all that changed: they have their defects


@pytest.mark.parametrize(
    ("label", "seen"), [("Vary (Region)", 21), ("Custom Zoom", 21), ("Vary (Strong)", 1), ("⬅️", 1)]
)
def test_the_gateway_hides_the_window_of_a_remix(label: str, seen: int) -> None:
    with layer_of("gateway", instant=True, mj_remix=True) as client:
        answer = client.pressed(single(client), label)
        assert answer["code"] == seen
        assert client.fetch(answer["result"])["status"] == "MODAL"


def test_remix_opens_a_window_and_a_new_prompt_changes_the_picture() -> None:
    with layer_of("csharp", instant=True) as client:
        grid = client.made()
        answer = client.pressed(grid, "🔄", enableRemix=True)
        assert (answer["code"], answer["properties"]["finalPrompt"]) == (21, "a quiet lake")
        assert client.submit("modal", taskId=answer["result"], prompt="a red planet --v 7")["code"] == 1
        task = client.done(answer["result"])
        assert (task["prompt"], task["action"]) == ("a red planet --v 7", "IMAGINE")
        assert "v7_2x" in button(client.after(task, "U1"), "Upscale (Subtle)")
        assert client.pressed(grid, "🔄")["code"] == 1


def test_a_window_refused_for_lack_of_room_can_be_confirmed_later() -> None:
    with layer_of("plus", latency=100, concurrency=1, mj_queue=0) as client:
        grid = client.accepted("imagine", prompt="a quiet lake")
        client.advance(200)
        client.control("config", {"mj": {"remix": True}})
        window = client.pressed(client.fetch(grid), "🔄")["result"]
        client.accepted("imagine", prompt="something else")
        assert client.submit("modal", taskId=window)["code"] == 23
        client.advance(200)
        assert client.submit("modal", taskId=window)["code"] == 1


@pytest.mark.parametrize(("layer", "count"), [("plus", 6), ("csharp", 5)])
def test_a_description_leads_back_to_pictures(layer: str, count: int) -> None:
    with layer_of(layer, instant=True) as client:
        task = client.made("describe", base64=data_url())
        texts = task["properties"]["finalPrompt"].split("\n\n")
        assert [text[0] for text in texts] == ["1", "2", "3", "4"]
        assert (task["action"], len(task["buttons"]), task["promptEn"]) == ("DESCRIBE", count, "\n\n".join(texts))
        assert client.picture(task).size == (40, 30)
        assert client.after(task, "🔄")["action"] == "DESCRIBE"
        answer = client.submit("action", taskId=task["id"], customId="MJ::Job::PicReader::2")
        prompt = answer["properties"]["finalPrompt"]
        assert (answer["code"], texts[1].endswith(prompt)) == (21, True)
        assert client.submit("modal", taskId=answer["result"], prompt=prompt)["code"] == 1
        made = client.done(answer["result"])
        assert (made["action"], made["prompt"], labels(made)) == ("IMAGINE", prompt, GRID)


def test_a_shortened_prompt_leads_to_a_picture() -> None:
    with layer_of("plus", instant=True) as client:
        prompt = "a very quiet and beautiful lake between extraordinarily high mountains"
        task = client.made("shorten", prompt=prompt)
        text = task["properties"]["finalPrompt"]
        assert "Important tokens" in text
        assert "Shortened prompts" in text
        assert (task["action"], task["imageUrl"], task["prompt"]) == ("SHORTEN", None, prompt)
        answer = client.submit("action", taskId=task["id"], customId="MJ::Job::PromptAnalyzer::1")
        assert client.submit("modal", taskId=answer["result"])["code"] == 1
        assert client.done(answer["result"])["prompt"] == answer["properties"]["finalPrompt"] != prompt


def test_older_changes_press_the_same_buttons() -> None:
    with layer_of("plus", instant=True) as client:
        grid = client.made()
        upscale = client.done(client.accepted("change", taskId=grid["id"], action="UPSCALE", index=3))
        reroll = client.done(client.accepted("simple-change", content=f"{grid['id']} r"))
        variation = client.done(client.accepted("simple-change", content=f"{grid['id']} V4"))
        assert [task["action"] for task in (upscale, reroll, variation)] == ["UPSCALE", "REROLL", "VARIATION"]
        pressed = [job["button"] for job in client.view("jobs")["items"][1:]]
        assert pressed == [button(grid, "U3"), button(grid, "🔄"), button(grid, "V4")]


def test_java_makes_no_upscale_twice() -> None:
    with layer_of("java", instant=True) as client:
        grid = client.made()
        first = client.accepted("change", taskId=grid["id"], action="UPSCALE", index=1)
        again = client.submit("simple-change", content=f"{grid['id']} U1")
        assert (again["code"], again["description"], again["result"]) == (21, "任务已存在", first)
        assert again["properties"] == {"status": "SUCCESS", "imageUrl": client.done(first)["imageUrl"]}
        assert client.view("stats")["paid_jobs"] == 2


@pytest.mark.parametrize(
    ("layer", "kind", "body", "told"),
    [
        ("java", "change", {}, "taskId不能为空"),
        ("java", "change", {"action": "ZOOM"}, "action参数错误"),
        ("java", "change", {"action": "UPSCALE", "index": 5}, "index参数错误"),
        ("java", "simple-change", {"content": "17 X1"}, "content参数错误"),
        ("java", "simple-change", {"content": "17"}, "content参数错误"),
        ("gateway", "change", {"action": "REROLL"}, "index_is_required "),
        ("gateway", "change", {"index": 1}, "action_is_required "),
    ],
)
def test_wrong_changes_are_refused(layer: str, kind: str, body: Json, told: str) -> None:
    with layer_of(layer, instant=True) as client:
        needs_task = kind == "change" and body
        task = {"taskId": client.made()["id"]} if needs_task else {}
        answer = client.submit(kind, **task, **body)
        assert (answer["code"], answer["description"]) == (4, told)


def test_a_pan_widens_the_picture() -> None:
    with layer_of("plus", instant=True) as client:
        one = single(client)
        before, after = client.picture(one), client.picture(client.after(one, "➡️"))
        assert after.size == (before.width * 3, before.height * 2)


def test_the_gateway_goes_on_showing_the_first_prompt() -> None:
    with layer_of("gateway", instant=True) as client:
        window = client.pressed(single(client), "Custom Zoom")["result"]
        assert client.submit("modal", taskId=window, prompt="a red planet --zoom 2")["code"] == 1
        task = client.done(window)
        assert (task["prompt"], task["promptEn"], task["action"]) == ("a quiet lake", "a red planet", "CUSTOM_ZOOM")
