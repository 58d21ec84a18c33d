"""The commands that there are, and that none is imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest
import rich_click as click
from click.testing import CliRunner

from ops.cli.main import root

NAMES = sorted(root.places)  # type: ignore[attr-defined]  # the decorator forgets the class
HEAVY = ("celery", "flask", "numpy", "PIL", "requests", "psycopg", "marshmallow", "obstore")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str) -> None:
    command = root.load(name)  # type: ignore[attr-defined]  # see above
    names = [name, *([min(command.commands)] if isinstance(command, click.RichGroup) else [])]

    result = CliRunner().invoke(root, [*names, "--help"])

    assert result.exit_code == 0, result.output
    assert f"Usage: root {' '.join(names)}" in result.output


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(root, ["--help"])
    assert result.exit_code == 0
    assert all(f" {name} " in result.output for name in NAMES)


@pytest.mark.parametrize("arguments", [["--help"], ["runs", "list", "--help"], ["run", "--help"]])
def test_nothing_heavy_is_imported_for(arguments: list[str]) -> None:
    script = (
        "import sys; from ops.cli.main import root; root(sys.argv[1:], standalone_mode=False);"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_an_unknown_command_is_a_mistake_in_usage() -> None:
    result = CliRunner().invoke(root, ["rums"])
    assert result.exit_code == 2
    assert "No such command" in result.output
