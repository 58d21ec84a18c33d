"""What may not stand in a log, and the one form that every line has."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from orchestrator import logs
from orchestrator.config import load
from orchestrator.core.events import TaskError
from orchestrator.logs import mask, masked

TOKEN = "AQGiAJHzcTpzmJ6oGq0Xi38t0Fz_V4kx-w"
SECRETS = [
    f"POST http://host/callbacks/acedata/{TOKEN} failed",
    f"/callbacks/acedata/{TOKEN}",
    f"Authorization: Bearer {TOKEN}",
    f"amqp://user:{TOKEN}@broker:5672//",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_blotted_out_wherever_they_stand(text: str) -> None:
    line = mask(None, "info", {"a": text, "b": {"c": [text]}, "d": TaskError("x", text), "e": ValueError(text)})
    assert TOKEN not in str(line)
    assert TOKEN not in masked(text)


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
