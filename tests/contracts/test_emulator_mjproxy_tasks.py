"""The midjourney-proxy dialect as a plain HTTP client sees it: who is let in, submits, task objects, look-ups."""

from __future__ import annotations

import pytest
import requests
from emulator_mjproxy_client import LAYERS, data_url, layer_of
from emulator_support import DEADLINE, SLOW, Json

JAVA_FIELDS = {
    *("id", "properties", "action", "status", "prompt", "promptEn", "description", "state"),
    *("submitTime", "startTime", "finishTime", "imageUrl", "progress", "failReason"),
}
GATEWAY_FIELDS = JAVA_FIELDS | {"buttons", "customId", "botType", "videoUrl", "videoUrls", "maskBase64"}


@pytest.mark.parametrize("layer", LAYERS)
def test_an_imagine_succeeds_and_its_object_has_the_layers_fields(layer: str) -> None:
    with layer_of(layer, instant=True) as client:
        task = client.made(prompt="a quiet lake --ar 3:2", state="mine 1")
        assert (task["status"], task["progress"], task["action"]) == ("SUCCESS", "100%", "IMAGINE")
        assert (task["state"], task["prompt"]) == ("mine 1", "a quiet lake --ar 3:2")
        assert client.picture(task).size[0] > client.picture(task).size[1]
        assert task["properties"]["finalPrompt"] == "a quiet lake --ar 3:2"
        fields = {"java": JAVA_FIELDS, "plus": JAVA_FIELDS | {"buttons"}, "gateway": GATEWAY_FIELDS}.get(layer)
        assert set(task) == fields if fields else {"parentId", "jobId", "imageUrls", "displays"} <= set(task)
        assert task["submitTime"] <= task["startTime"] <= task["finishTime"]
        assert len(str(task["submitTime"])) == 13


@pytest.mark.parametrize("layer", LAYERS)
def test_a_task_at_work_shows_its_progress(layer: str) -> None:
    with layer_of(layer, latency=100, mj_poll=1) as client:
        task_id = client.accepted("imagine", prompt="a quiet lake")
        seen = [client.fetch(task_id)]
        for _ in range(130):
            client.advance(1)
            seen.append(client.fetch(task_id))
        words = list(dict.fromkeys(task["progress"] for task in seen))
        statuses = dict.fromkeys(task["status"] for task in seen if task["status"] not in ("", "NOT_START"))
        assert list(statuses) == ["SUBMITTED", "IN_PROGRESS", "SUCCESS"]
        assert {"0%", "100%"} <= set(words)
        assert len(words) >= 5
        none = "" if layer == "gateway" else None
        assert all(task["imageUrl"] == none for task in seen if task["progress"] in ("0%", "Waiting to start"))


def test_progress_pictures_are_served_while_they_are_shown() -> None:
    for layer in ("plus", "gateway"):
        with layer_of(layer, latency=100, mj_poll=1) as client:
            task_id = client.accepted("imagine", prompt="a quiet lake")
            while not (task := client.fetch(task_id))["imageUrl"]:
                client.advance(2)
            assert client.image(task["imageUrl"]).format == "WEBP"
            assert ("?rand=" in task["imageUrl"]) == (layer == "gateway")


def test_text_stands_for_progress_now_and_then() -> None:
    with layer_of("java", latency=100, concurrency=None, mj_timeout=0) as client:
        ids = [client.accepted("imagine", prompt="a quiet lake") for _ in range(6)]
        seen = set()
        for _ in range(60):
            client.advance(2)
            seen |= {task["progress"] for task in client.ask("/mj/task/list-by-condition", {"ids": ids}).json()}
        assert "Waiting to start" in seen


@pytest.mark.parametrize(
    ("layer", "status", "progress", "reason"),
    [
        ("java", "FAILURE", "", "[Internal Server Error] The job ended before the picture was finished."),
        ("csharp", "FAILURE", "", "[Internal Server Error] The job ended before the picture was finished."),
        ("gateway", "FAILURE", "100%", "[Internal Server Error] The job ended before the picture was finished."),
    ],
)
def test_a_failure_has_the_layers_progress(layer: str, status: str, progress: str, reason: str) -> None:
    with layer_of(layer, instant=True) as client:
        task = client.made(prompt="a broken-job")
        assert (task["status"], task["progress"], task["failReason"]) == (status, progress, reason)
        assert client.made(prompt="a cat --nope")["failReason"].startswith("[Invalid parameter] Unrecognized")


@pytest.mark.parametrize(
    ("layer", "status", "text"),
    [
        ("java", 200, ""),
        ("plus", 200, ""),
        ("csharp", 204, ""),
        ("gateway", 400, '{"description":"task_no_found ","type":"upstream_error","code":4}'),
    ],
)
def test_an_unknown_id_is_answered_in_the_layers_way(layer: str, status: int, text: str) -> None:
    with layer_of(layer, instant=True) as client:
        answer = client.ask("/mj/task/1700000000000000/fetch")
        assert (answer.status_code, answer.text) == (status, text)


@pytest.mark.parametrize(
    ("layer", "headers", "status", "told"),
    [
        ("java", {"mj-api-secret": "good"}, 200, None),
        ("java", {"mj-api-secret": "bad"}, 401, ""),
        ("plus", {"Authorization": "Bearer good"}, 401, ""),
        ("csharp", {"mj-api-secret": "good"}, 200, None),
        ("csharp", {"Authorization": "good"}, 200, None),
        ("csharp", {"Authorization": "Bearer good"}, 403, "未登录"),
        ("csharp", {}, 401, "Authorization header missing."),
        ("gateway", {"Authorization": "Bearer good"}, 200, None),
        ("gateway", {"mj-api-secret": "Bearer good"}, 200, None),
        ("gateway", {}, 401, "new_api_error"),
        ("gateway", {"Authorization": "Bearer bad"}, 401, "new_api_error"),
    ],
)
def test_callers_are_recognised_in_the_layers_way(layer: str, headers: Json, status: int, told: str | None) -> None:
    with layer_of(layer, instant=True, tokens=(("main", "good"),)) as client:
        client.headers = headers
        answer = client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"})
        assert answer.status_code == status
        if told == "":
            assert answer.content == b""
        elif told:
            assert told in answer.text


def test_the_gateway_says_why_a_token_is_no_good() -> None:
    with layer_of("gateway", instant=True, tokens=(("main", "sk-one"),)) as client:
        for state in ("expired", "disabled", "used_up"):
            client.control("config", {"token_states": {"main": state}})
            answer = client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"})
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "new_api_error")


def test_submits_of_the_gateway_are_json_that_is_called_text() -> None:
    with layer_of("gateway", instant=True) as client:
        answer = client.ask("/mj/submit/imagine", {"prompt": "a quiet lake"})
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert client.ask(f"/mj/task/{answer.json()['result']}/fetch").headers["Content-Type"] == "application/json"


def test_the_gateway_knows_a_task_only_after_its_own_look() -> None:
    with layer_of("gateway", latency=SLOW) as client:
        task_id = client.accepted("imagine", prompt="a quiet lake", state="mine")
        first = client.fetch(task_id)
        empty = {"status": "", "progress": "0%", "state": "", "buttons": None, "properties": None, "startTime": 0}
        assert {key: first[key] for key in empty} == empty
        assert first["description"] == "提交成功"
        client.advance(16)
        assert (client.fetch(task_id)["status"], client.fetch(task_id)["state"]) == ("SUBMITTED", "mine")


def test_the_gateway_gives_a_task_up_after_an_hour() -> None:
    with layer_of("gateway", latency=10 * SLOW) as client:
        task_id = client.accepted("imagine", prompt="a quiet lake")
        client.advance(SLOW + 20)
        task = client.fetch(task_id)
        assert (task["status"], task["progress"]) == ("FAILURE", "100%")
        assert task["failReason"] == "上游任务超时（超过1小时）"


def test_callers_of_the_gateway_see_their_own_tasks_only() -> None:
    with layer_of("gateway", instant=True) as client:
        task_id = client.accepted("imagine", prompt="a quiet lake")
        answer = client.ask(f"/mj/task/{task_id}/fetch", Authorization="Bearer sk-two")
        assert (answer.status_code, answer.json()["code"]) == (400, 4)
        listed = client.ask("/mj/task/list-by-condition", {"ids": [task_id]}, Authorization="Bearer sk-two")
        assert listed.json() == []


@pytest.mark.parametrize("layer", LAYERS)
def test_a_list_by_condition_is_a_bare_array_without_unknown_ids(layer: str) -> None:
    with layer_of(layer, instant=True) as client:
        ids = [client.made()["id"] for _ in range(2)]
        listed = client.ask("/mj/task/list-by-condition", {"ids": [*ids, "1700000000000000"]}).json()
        assert sorted(task["id"] for task in listed) == sorted(ids)
        assert client.ask("/mj/task/list-by-condition", {}).json() == []


def test_task_lists_and_the_line_exist_where_the_layer_has_them() -> None:
    with layer_of("java", latency=SLOW, concurrency=1, mj_timeout=0) as client:
        ids = [client.accepted("imagine", prompt="a quiet lake") for _ in range(3)]
        assert [task["id"] for task in client.ask("/mj/task/list").json()] == ids[::-1]
        assert [task["id"] for task in client.ask("/mj/task/queue").json()] == ids
        listed = client.ask("/mj/task/list-by-condition", {"ids": ids}).json()
        assert [task["id"] for task in listed] == [*ids[1:], ids[0]]
        assert [task["status"] for task in listed] == ["NOT_START", "NOT_START", "SUBMITTED"]


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ("java", "/mj/submit/action"),
        ("java", "/mj/insight-face/swap"),
        ("java", "/mj/task/1/image-seed"),
        ("csharp", "/mj/submit/change"),
        ("csharp", "/mj/task/queue"),
        ("gateway", "/mj/task/list"),
        ("gateway", "/mj/task/1/cancel"),
        ("plus", "/mj/image/1"),
        ("plus", "/mj/nonsense"),
        ("plus", "/mj-warp/mj/submit/imagine"),
    ],
)
def test_what_a_layer_does_not_have_is_not_found(layer: str, path: str) -> None:
    with layer_of(layer, instant=True) as client:
        posts = "submit" in path or path.endswith(("swap", "cancel"))
        assert client.ask(path, {} if posts else None).status_code == 404


@pytest.mark.parametrize(("prefix", "low", "high"), [("", 80, 120), ("-relax", 240, 360), ("-turbo", 32, 48)])
def test_a_mode_before_the_path_sets_the_pace(prefix: str, low: int, high: int) -> None:
    with layer_of("plus", latency=100) as client:
        path = f"/mj{prefix}/mj/submit/imagine" if prefix else "/mj/submit/imagine"
        body = {"prompt": "a quiet lake --turbo", "accountFilter": {"modes": ["FAST"]}}
        task_id = client.ask(path, body).json()["result"]
        client.begun(task_id)
        client.advance(low - 1)
        assert client.fetch(task_id)["status"] != "SUCCESS"
        client.advance(high - low + 2)
        assert client.fetch(task_id)["status"] == "SUCCESS"


def test_ids_may_be_numbers_and_too_long_for_doubles() -> None:
    with layer_of("plus", instant=True, mj_numeric_result=True, mj_long_ids=True) as client:
        result = client.submit("imagine", prompt="a quiet lake")["result"]
        assert isinstance(result, int)
        assert len(str(result)) == 17
        assert int(float(result)) != result
        assert client.done(str(result))["id"] == str(result)


def test_a_seed_is_told_of_finished_pictures_only() -> None:
    with layer_of("csharp", instant=True) as client:
        task = client.made()
        answer = client.ask(f"/mj/task/{task['id']}/image-seed")
        assert answer.json()["result"] == task["seed"]
        assert (answer.json()["code"], answer.json()["description"]) == (1, "成功")
        described = client.made("describe", base64=data_url())
        assert client.ask(f"/mj/task/{described['id']}/image-seed").status_code == 400
        assert client.ask("/mj/task/1700000000000000/image-seed").status_code == 404


def test_the_gateways_pictures_are_open_to_everybody() -> None:
    with layer_of("gateway", instant=True) as client:
        task = client.made()
        answer = requests.get(task["imageUrl"], timeout=DEADLINE)
        assert task["imageUrl"] == f"{client.url}/mj/image/{task['id']}"
        assert answer.headers["Content-Type"] == "image/png"
        unknown = requests.get(f"{client.url}/mj/image/17", timeout=DEADLINE)
        assert (unknown.status_code, unknown.json()) == (400, {"error": "midjourney_task_not_found"})


@pytest.mark.parametrize(("layer", "status", "reason"), [("plus", "CANCEL", None), ("csharp", "FAILURE", "取消任务")])
def test_a_cancelled_task_stays_so_and_frees_its_slot(layer: str, status: str, reason: str | None) -> None:
    with layer_of(layer, latency=100, concurrency=1) as client:
        first, second = (client.accepted("imagine", prompt="a quiet lake") for _ in range(2))
        assert client.ask(f"/mj/task/{first}/cancel", {}).status_code == 200
        assert client.fetch(second)["status"] == "SUBMITTED"
        client.advance(500)
        task = client.fetch(first)
        assert (task["status"], task["failReason"]) == (status, reason)
        assert client.fetch(second)["status"] == "SUCCESS"


def test_the_control_api_shows_what_was_paid() -> None:
    with layer_of("plus", instant=True) as client:
        task = client.made(notifyHook="http://127.0.0.1:9/hook", state="s 1")
        client.after(task, "U2")
        client.after(task, "U2")
        first, second, _ = client.view("jobs")["items"]
        assert (first["task_id"], first["client_state"], first["action"]) == (task["id"], "s 1", "IMAGINE")
        assert first["callback_url"] == "http://127.0.0.1:9/hook"
        assert (second["image_id"], second["button"]) == (task["id"], task["buttons"][1]["customId"])
        twice = client.view("stats")["duplicates"]
        assert twice["image_and_action"] == {f"{task['id']} {second['button']}": 2}
