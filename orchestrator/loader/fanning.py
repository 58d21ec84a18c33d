"""Which steps are fanned out into several items, and where that is not possible; and who can stand in for whom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.loader.draft import Draft
from orchestrator.loader.order import with_stand_ins
from orchestrator.loader.problems import Problems


def fanned(order: Iterable[str], drafts: Mapping[str, Draft]) -> dict[str, str]:
    """For each step that has several items: where they come from (equal for steps whose items match one to one)."""
    origins: dict[str, str] = {}
    for name in order:
        draft, source = drafts[name], drafts.get(drafts[name].source or "")
        if "for_each" in draft.keys:
            origins[name] = json.dumps(draft.keys["for_each"], sort_keys=True)
        elif source and source.chooses_all:
            origins[name] = f"quadrants of {source.source}"
        elif source and source.name in origins:
            origins[name] = origins[source.name]
    return origins


def check_fans(drafts: Mapping[str, Draft], origins: Mapping[str, str], problems: Problems) -> None:
    """Items do not multiply: a step fans out, or it inherits the items of its source."""
    for draft in drafts.values():
        source = drafts.get(draft.source or "")
        if source is None or not draft.fans_out:
            continue
        if source.name in origins or source.chooses_all:
            key = "for_each" if "for_each" in draft.keys else "by"
            problems.add(
                f"{draft.path}.{key}",
                f"{source.name!r} is fanned out already, and its items are inherited one to one; "
                "a step cannot fan out again: take it out, or open one run for each value",
            )


def check_stand_ins(drafts: Mapping[str, Draft], origins: Mapping[str, str], problems: Problems) -> None:
    """A stand-in serves one step, yields the same kind of thing, as often, and does not need what has failed."""
    serves: dict[str, str] = {}
    for draft in drafts.values():
        stand_in = drafts.get(draft.otherwise or "")
        if stand_in is None or stand_in is draft:
            continue
        served = serves.setdefault(stand_in.name, draft.name)
        for problem in _mismatches(draft, stand_in, served, drafts, origins):
            problems.add(f"{draft.path}.on_failure", problem)


def _mismatches(
    draft: Draft, stand_in: Draft, served: str, drafts: Mapping[str, Draft], origins: Mapping[str, str]
) -> Iterator[str]:
    if served != draft.name:
        yield f"{stand_in.name!r} stands in for {served!r} already; allowed: a step of its own"
    for name in filter(None, (stand_in.source, *stand_in.needs)):
        if stand_in.name in with_stand_ins(name, drafts):
            yield f"{stand_in.name!r} uses {name!r}, whose failure is what brings it in; allowed: a step that does not"
    if draft.yields and stand_in.yields and draft.yields != stand_in.yields:
        yield f"{stand_in.name!r} yields {stand_in.yields}; allowed: a step that yields {draft.yields}"
    if origins.get(draft.name) != origins.get(stand_in.name) or draft.chooses_all != stand_in.chooses_all:
        yield f"{stand_in.name!r} does not have the same items; allowed: a step that is fanned out in the same way"
