"""Whatever is typed after ``orchestrator``, or stands in a pipeline's file, the answer is a sentence and a status."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ops.cli.main import root
from ops.fuzz.bodies import Bodies

NOBODY = ("--url", "http://127.0.0.1:9", "--token", "t" * 16)
COMMANDS = st.sampled_from(
    [
        *(["runs", one] for one in ("list", "show", "watch", "cancel", "retry")),
        *(["tasks", one] for one in ("list", "show", "history", "retry", "choose", "resolve")),
        *(["callbacks", one] for one in ("list", "show", "replay", "adopt", "spool")),
        *(["pipelines", one] for one in ("list", "show", "validate")),
        *(["mask", one] for one in ("draw", "from", "check", "encode")),
        ["run"],
        ["nothing"],
    ]
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.sampled_from(
    [
        "--json",
        "--limit",
        "0",
        "-1",
        "9" * 400,
        "--state",
        "--label",
        "a=b",
        "=",
        "-i",
        "prompt=x",
        "prompt=@",
        "--",
        "/",
    ]
)


def told(arguments: list[str]) -> None:
    ended = CliRunner().invoke(root, [*NOBODY, *arguments], prog_name="orchestrator")
    assert ended.exception is None or isinstance(ended.exception, SystemExit), (arguments, ended.exception)
    assert ended.exit_code in (0, 1, 2, 3), (arguments, ended.output)
    assert "Traceback" not in ended.output


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(COMMANDS, st.lists(WORDS, max_size=4))
@example(["runs", "list"], ["--label", "a\ud800=b"])
@example(["run"], ["p", "-i", "prompt=\udcff"])
def test_any_arguments_are_answered(command: list[str], words: list[str]) -> None:
    told([*command, *words])


def test_any_file_is_checked_or_refused(tmp_path: Path) -> None:
    for body in Bodies(seed=5).range(0, 150):
        path = tmp_path / "pipeline.yaml"
        path.write_bytes(body.data)
        told(["pipelines", "validate", str(path)])
