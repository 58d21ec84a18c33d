"""Checks of one step against what its action takes and what its source yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.actions import ACTIONS, Action
from orchestrator.core.states import TaskKind
from orchestrator.loader import parts
from orchestrator.loader.draft import Draft
from orchestrator.loader.problems import Problems, found, unknown

MODES = ("fast", "relax", "turbo")


def check_inputs(draft: Draft, problems: Problems) -> None:
    """``with`` has what the action needs and nothing else; literals are allowed values."""
    action, given = draft.action, draft.keys.get("with", {})
    path = f"{draft.path}.with"
    if not action:
        return
    known = sorted(action.required | action.optional)
    for name in given:
        if name not in known:
            problems.add(f"{path}.{name}", f"unknown input of {action.name}: {unknown(name, known)}")
    for name in sorted(action.required - set(given)):
        problems.add(f"{path}.{name}", f"missing; {action.name} needs it")
    _check_literals(path, given, problems)


def _check_literals(path: str, given: Mapping[str, Any], problems: Problems) -> None:
    mode, quadrant = given.get("mode", "fast"), given.get("quadrant", 1)
    if not is_expression(mode) and mode not in MODES:
        problems.add(f"{path}.mode", unknown(mode, MODES))
    if not is_expression(quadrant):
        try:
            parts.quadrant(quadrant)
        except ValueError:
            problems.add(f"{path}.quadrant", found(quadrant, "1, 2, 3, 4"))


def is_expression(value: Any) -> bool:
    """Whether only the run will tell the value."""
    return isinstance(value, str) and "${" in value


def check_source(draft: Draft, source: Draft | None, problems: Problems) -> None:
    """The step can work on what its source yields."""
    if draft.kind is TaskKind.PROVIDER and draft.action:
        problem = _of_action(draft, draft.action, source)
    elif source is None or source.yields is None:
        problem = None  # said elsewhere
    elif draft.kind is TaskKind.CHOOSE:
        problem = None if source.yields == "grid" else "a quadrant is chosen of a grid"
    else:
        problem = None if source.yields_image else "only a grid or a single image can be archived"
    if problem and source:
        problem = f"found {source.name!r}, which yields {_WORDS[source.yields or '']}; {problem}"
        allowed = _ALLOWED.get(draft.kind) if draft.kind else None
        problem += f"; allowed: {allowed}" if allowed else ""
    if problem:
        problems.add(draft.source_key, problem)


_WORDS = {
    "grid": "a grid",
    "single": "a single image",
    "text": "text",
    "video": "a video",
    "upload": "uploaded files",
    "choice": "the choice of a quadrant",
    "archive": "nothing to work on",
    "": "something unknown",
}

_GRIDS = sorted(name for name, action in ACTIONS.items() if action.yields == "grid")
_ALLOWED = {
    TaskKind.CHOOSE: f"a step that yields a grid ({', '.join(_GRIDS)})",
    TaskKind.ARCHIVE: "a provider step that yields an image; after a choice, an upscale of it",
}


def _of_action(draft: Draft, action: Action, source: Draft | None) -> str | None:
    """What is wrong with the source of a provider step."""
    if draft.source is None:
        return f"missing; {_works_on(action)}; allowed: the name of a step" if action.of else None
    if not action.of:
        return f"{action.name} works on no image; leave the key away" if source else None
    if source is None or source.yields is None:
        return None
    return _of_choice(draft, action) if source.yields == "choice" else _of_image(draft, action, source)


_INSTEAD_OF_A_CHOICE = {"single": ": upscale the choice first", "grid": ": name the grid instead"}


def _of_choice(draft: Draft, action: Action) -> str | None:
    if not action.quadrant:
        advice = next((said for kind, said in _INSTEAD_OF_A_CHOICE.items() if kind in action.of), "")
        return f"{_works_on(action)}{advice}"
    if "quadrant" in draft.keys.get("with", {}):
        return "with.quadrant says it again; leave one of the two away"
    return None


def _of_image(draft: Draft, action: Action, source: Draft) -> str | None:
    if source.yields not in action.of:
        to_single = source.yields == "grid" and "single" in action.of
        advice = ": choose a quadrant and upscale it first" if to_single else ""
        return f"{_works_on(action)}{advice}"
    if action.quadrant and "quadrant" not in draft.keys.get("with", {}):
        return f"{action.name} works on one quadrant; give with.quadrant (1 to 4), or put a choose step between"
    return None


def _works_on(action: Action) -> str:
    return f"{action.name} works on {' or '.join(_WORDS[kind] for kind in sorted(action.of))}"
