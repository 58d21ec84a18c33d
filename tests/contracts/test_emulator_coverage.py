"""docs/emulator-coverage.md names every route the emulator has, and none it hasn't."""

from __future__ import annotations

import re
from pathlib import Path

from ops.emulator.application import application
from ops.emulator.engine import Engine
from ops.emulator.options import Options

DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator-coverage.md"
ENDPOINT = re.compile(r"^\| `(GET|POST|PATCH|DELETE) (/[^`]+)` \|", re.MULTILINE)
ELSEWHERE = ("/_emulator", "/static", "/<mode>")  # the control API, Flask's own, and paths with a mode before them
ANYWAY = re.compile(r"^/items/<collection>")  # told in one row, whatever the method and the id


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}|<[^>]*>", "*", path)


def test_the_document_and_the_routes_agree() -> None:
    engine = Engine(Options())
    try:
        rules = list(application(engine).url_map.iter_rules())
    finally:
        engine.stop()
    served = {
        (method, shape(rule.rule))
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(ELSEWHERE) and not ANYWAY.match(rule.rule)
    }
    told = {(method, shape(path)) for method, path in ENDPOINT.findall(DOCUMENT.read_text("utf-8"))}
    assert told - {("GET", "/items/*")} == served
