"""What may not stand in a log, and the one form that every line has."""

from __future__ import annotations

import json
import subprocess
import sys
from uuid import UUID

import pytest
from flask import Flask

from orchestrator import logs
from orchestrator.api import SECTIONS
from orchestrator.config import load
from orchestrator.core.events import TaskError
from orchestrator.core.tokens import account_token, task_token
from orchestrator.logs import mask, masked

ID = UUID("01980c1e-4f7a-7cc2-9d3e-0123456789ab")
TOKEN = "AQGiAJHzcTpzmJ6oGq0Xi38t0Fz_V4kx-w"
SECRETS = [
    f"POST http://host/callbacks/acedata/{TOKEN} failed",
    f"/callbacks/acedata/{TOKEN}",
    f"Authorization: Bearer {TOKEN}",
    f"amqp://user:{TOKEN}@broker:5672//",
]


SECRETS += [f"no {SECRETS[1].replace('/', slash)}" for slash in (r"\/", "%2f", "%252F", r"\u002f")]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_blotted_out_wherever_they_stand(text: str) -> None:
    line = mask(None, "info", {"a": text, "b": {"c": [text]}, "d": TaskError("x", text), "e": ValueError(text)})
    assert TOKEN not in str(line)
    assert TOKEN not in masked(text)


@pytest.mark.parametrize("account", ["acedata", "v1", "callbacks", "replay", str(ID), str(ID).upper()])
@pytest.mark.parametrize("tail", ["", "/", "/replay", "?a=b", '"', ".", " failed"])
def test_a_callback_token_is_blotted_out_whatever_its_account_is_called(account: str, tail: str) -> None:
    for number in range(100):
        secret = (f"a secret of sixteen {number}".encode(),)
        for token in (task_token(secret, account, ID), account_token(secret, account)):
            for front in ("", "/v1", f"/v1/callbacks/{ID}/replay to http://host"):
                assert masked(f"{front}/callbacks/{account}/{token}{tail}") == f"{front}/callbacks/{account}/***{tail}"


def test_a_callback_token_in_a_spelling_of_its_own_is_blotted_out() -> None:
    assert masked(f"/callbacks/acedata/%41{TOKEN[1:6]}%5F{TOKEN[6:]} failed") == "/callbacks/acedata/*** failed"


def test_the_paths_of_the_api_are_told_whole() -> None:
    app = Flask(__name__, static_folder=None)
    for section in SECTIONS:
        app.register_blueprint(section.blueprint)
    shown = {"run_id": ID, "task_id": ID, "callback_id": ID, "name": "callbacks"}
    rules = app.url_map.bind("host")
    paths = [
        rules.build(rule.endpoint, {name: shown[name] for name in rule.arguments}) for rule in app.url_map.iter_rules()
    ]
    assert f"/v1/callbacks/{ID}/replay" in paths
    assert [masked(f"POST {path} refused") for path in paths] == [f"POST {path} refused" for path in paths]


def test_what_is_known_to_be_secret_is_blotted_out_without_any_sign_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_known", None)
    monkeypatch.setattr(logs, "_values", set())
    config = load(
        {
            "DATABASE_URL": "postgresql://me:pass%20word%20of%20mine@host/db",
            "ORCHESTRATOR_SECRET": "a+secret.of[sixteen",
            "ACEDATA_TOKEN": "sk-0123456789",
            "MJPROXY_SECRET": "short",
            "MJPROXY_BASE_URL": "http://proxy",
        }
    )
    logs.hide(config.hidden())
    told = "wrong key sk-0123456789, a+secret.of[sixteen, 'pass word of mine', pass%20word%20of%20mine in short"
    assert masked(told) == "wrong key ***, ***, '***', *** in short"


@pytest.mark.parametrize("text", ["a\r\nb", "a\x1b[2Jb", "a\u2028b", 'a"}\n{"event": "forged"'])
def test_a_line_stays_one_line(text: str) -> None:
    """A stranger's words make no line of their own, and steer no terminal."""
    program = """
import sys, structlog
from orchestrator import logs
logs.configure(json=True)
structlog.get_logger().warning("said", text=sys.argv[1])
import logging
logging.getLogger("celery").warning("said %s", sys.argv[1])
"""
    done = subprocess.run([sys.executable, "-c", program, text], capture_output=True, text=True, check=True)
    lines = done.stderr.split("\n")[:-1]
    assert [json.loads(line)["event"] for line in lines] == ["said", f"said {text}"]
    assert done.stderr.isascii()
    assert all(line.isprintable() for line in lines)


def test_the_rest_stays_as_it_is() -> None:
    line = {"text": "https://host/path?a=b", "number": 3, "none": None, "flag": True, "list": [1, "two"]}
    assert mask(None, "info", dict(line)) == line


def test_libraries_log_in_the_same_form_and_with_the_same_care() -> None:
    program = f"""
import logging
from orchestrator import logs
logs.configure(json=True)
logging.getLogger("kombu").info("not told")
try:
    raise OSError("amqp://user:{TOKEN}@broker")
except OSError:
    logging.getLogger("celery").exception("lost %s", "http://host/callbacks/acedata/{TOKEN}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("lost http://host/callbacks/acedata/***", "error")
    assert "OSError: amqp://user:***@broker" in told["exception"]
