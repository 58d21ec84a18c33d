from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from ops.cli import display, summary, view
from ops.cli.failures import by_field

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def task(step: str, state: str = "succeeded", *, item: int = 0, attempt: int = 1, **more: Any) -> dict[str, Any]:
    about = {"id": f"{step}-{item}-{attempt}", "step": step, "item": item, "attempt": attempt, "action": "imagine"}
    return about | {"kind": "provider", "account": "acedata", "state": state, "progress": 0} | more


def run(*tasks: dict[str, Any], state: str = "running", **more: Any) -> dict[str, Any]:
    about = {"id": "r", "pipeline": "hero", "version": 2, "state": state, "created_at": "2026-11-21T11:59:00Z"}
    return about | {"tasks": list(tasks), "archive": []} | more


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T11:59:55Z", "5 s ago"),
        ("2026-11-21T11:58:00Z", "2 min ago"),
        ("2026-11-21T09:00:00Z", "3 h ago"),
        ("2026-11-01T12:00:00Z", "20 d ago"),
        ("2026-11-21T12:00:30+00:00", "in 30 s"),
        (None, ""),
    ],
)
def test_times_are_told_as_distances(text: str | None, expected: str) -> None:
    assert display.ago(text, NOW) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(-3, "0:00"), (7.9, "0:07"), (725, "12:05"), (3600, "1:00:00")])
def test_a_running_clock(seconds: float, expected: str) -> None:
    assert display.clock(seconds) == expected


def test_a_file_is_told_as_its_plain_path() -> None:
    assert display.location("file:///a%20b/c.png") == "/a b/c.png"
    assert display.location("s3://bucket/c.png") == "s3://bucket/c.png"


def test_nested_errors_become_lines() -> None:
    assert by_field({"inputs": {"prompt": ["missing"]}, "version": "odd"}) == ["inputs.prompt: missing", "version: odd"]


def test_only_the_last_attempts_count_and_items_are_in_their_order() -> None:
    tasks = [task("keep", item=1), task("grid", "failed"), task("keep"), task("grid", attempt=2)]

    shown = view.newest(run(*tasks))

    assert [(one["step"], one["item"], one["attempt"]) for one in shown] == [
        ("keep", 0, 1),
        ("keep", 1, 1),
        ("grid", 0, 2),
    ]


def test_lines_tell_each_change_once() -> None:
    out = io.StringIO()
    lines = view.Lines(Console(file=out, width=200))

    for state in ("waiting", "waiting", "succeeded"):
        lines.show(run(task("grid", state)))
    lines.note("away")
    lines.note("away")

    told = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert told == ["grid: imagine at acedata: waiting", "grid: imagine at acedata: succeeded", "away"]


def test_a_crowd_is_cut_to_the_terminal_and_the_unfinished_stay() -> None:
    tasks = [task("keep", item=number, state="waiting" if number == 40 else "succeeded") for number in range(50)]
    out = io.StringIO()
    console = Console(file=out, width=60, height=12, force_terminal=True)
    bars = view.Bars(console)
    bars.show(run(*tasks))

    console.print(bars.render())

    assert "keep[40]" in out.getvalue()
    assert "and 43 more" in out.getvalue()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"by": "quality", "quadrant": 2, "margin": 0.5, "clear": True}, "quadrant 2 by quality, margin 0.500"),
        (
            {"by": "quality", "quadrant": 2, "margin": 0.1, "clear": False},
            "quadrant 2 by quality, margin 0.100, not a clear lead",
        ),
        ({"by": "person", "quadrant": 4}, "quadrant 4 by person"),
        ({"by": "all", "quadrants": [1, 2, 3, 4]}, "quadrants 1, 2, 3, 4"),
        ({"width": 512, "height": 512, "raw_width": 4096, "raw_height": 4096}, "4096 x 4096"),
        ({}, ""),
    ],
)
def test_outcomes_in_a_few_words(result: dict[str, Any], expected: str) -> None:
    assert summary.outcome(task("any", result=result)) == expected


def test_the_cause_is_the_failed_step() -> None:
    broken = task("large", "failed", error={"code": "moderation", "message": "not allowed"})
    assert summary.cause(run(task("grid"), broken, state="failed")) == "step large: moderation: not allowed"
    assert summary.cause(run(task("grid"), state="succeeded")) is None


def test_a_pipe_gets_whole_words(capsys: pytest.CaptureFixture[str]) -> None:
    display.show_table(("ID", "DETAIL"), [("1", "w" * 300)], flexible=("DETAIL",))
    assert capsys.readouterr().out == f"ID  DETAIL\n1   {'w' * 300}\n"


def test_of_a_long_value_only_the_beginning_is_shown() -> None:
    shown = display.words({"mask": "iVBO" * 300, "prompt": "a cat " * 80, "count": 2})
    assert shown == f"mask={'iVBO' * 15}… (1200 characters)  prompt={'a cat ' * 80}  count=2"


HOSTILE = "a \x1b]0;owned\x07\x1b[2J\x9b31m\rcat"


def test_nobodys_words_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    display.show_facts({"inputs": HOSTILE, "reason": Text(HOSTILE, style="red")})
    display.show_table(["OUTCOME"], [[HOSTILE]], flexible=["OUTCOME"])
    display.show_findings([["fail", "x", HOSTILE]])
    display.hint(HOSTILE)

    shown = "".join(capsys.readouterr())
    assert not set(shown) & set("\x1b\x07\x9b\r")
    assert shown.count("\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x0dcat") == 4
    assert "\\x1b]0;owned\\x1b[2J" in shown, "of a Text rich drops the bell and the return itself"
    assert display.visible("two\tcolumns\nof Ünïcode 🦊") == "two\tcolumns\nof Ünïcode 🦊"
