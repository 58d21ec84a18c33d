"""docs/configuration.md has every variable that the configuration reads, with the default that it really has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.cli.doctor import effective
from orchestrator.config import load

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| variable |") : PAGE.index("Beside these:")]
DEFAULTS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? *\|", TABLE, re.MULTILINE))


class Asked(dict[str, str]):
    """An environment that notes which variables are looked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, *default: str) -> str | None:  # type: ignore[override]  # one way to call it is enough
        self.names.add(name)
        return super().get(name, *default)

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return super().__getitem__(name)


def test_the_table_has_every_variable_that_is_read_and_no_other() -> None:
    asked = Asked()
    load(asked)
    assert "ORCHESTRATOR_DRAIN" in asked.names
    assert set(DEFAULTS) == asked.names
    assert len(DEFAULTS) == TABLE.count("\n| `"), "a line that is not written as the others are"


@pytest.mark.parametrize(("variable", "default"), [one for one in DEFAULTS.items() if one[1]])
def test_a_default_is_what_holds_without_the_variable(variable: str, default: str) -> None:
    account = {"ACEDATA_TOKEN": "a", "IMAGINEAPI_TOKEN": "i"}
    assert load(account | {variable: default}) == load(account)


def test_the_doctor_shows_every_variable() -> None:
    accounts = {name for name in DEFAULTS if not name.startswith("ORCHESTRATOR_") and name not in effective(load({}))}
    assert set(effective(load({}))) | accounts == set(DEFAULTS)
    assert {name.split("_")[0] for name in accounts} == {"ACEDATA", "MJPROXY", "IMAGINEAPI"}, "shown as accounts"
