"""The examples in docs/pipelines.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator import loader
from orchestrator.core.actions import ACTIONS
from orchestrator.errors import InvalidPipeline

TEXT = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
RIGHT = [example for example in EXAMPLES if not example.startswith("# wrong")]
WRONG = [example for example in EXAMPLES if example.startswith("# wrong")]


@pytest.mark.parametrize("example", RIGHT)
def test_the_examples_load(example: str) -> None:
    assert loader.parse(loader.read(example, "docs")).steps


def test_the_refusal_is_the_real_one() -> None:
    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(loader.read(WRONG[0], "docs"))

    lines = [f"{key}: {sentence}" for key, said in caught.value.fields.items() for sentence in said]
    assert "```\n" + "\n".join(lines) + "\n```" in TEXT


def test_every_action_is_described() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]

    for action in ACTIONS.values():
        row = next(line for line in rows if f"`{action.name}`" in line.split("|")[1])
        yields = {"upload": "files"}.get(action.yields, action.yields)
        assert row.split("|")[-2].strip() == yields
        assert all(f"`{name}`" in row for name in action.required)
        assert set(action.of) <= set(re.findall(r"\w+", row.split("|")[2])), row
