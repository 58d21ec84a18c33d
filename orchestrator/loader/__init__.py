"""Pipelines: from text to a document, from a document to the checked pipeline that the engine runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from importlib.resources import files
from typing import Any

from orchestrator.core.pipeline import Pipeline
from orchestrator.errors import InvalidPipeline
from orchestrator.loader import fanning, kinds, names, order, parts, shapes
from orchestrator.loader.draft import Draft, draft
from orchestrator.loader.inputs import check_inputs, declared
from orchestrator.loader.plain import unfit
from orchestrator.loader.problems import Problems, found
from orchestrator.loader.reading import read
from orchestrator.loader.schema import json_schema

__all__ = ["check_inputs", "json_schema", "parse", "read", "shipped"]


def parse(
    document: Any,
    *,
    where: str = "pipeline",
    capabilities: Mapping[str, frozenset[str]] | None = None,
    scorers: Collection[str] | None = None,
) -> Pipeline:
    """The pipeline in a document of plain JSON types.

    capabilities: the neutral actions that each account can do; scorers: their names; None: not checked.
    Raises InvalidPipeline with every problem: ``fields`` maps keys such as ``steps.best.by`` to sentences.
    """
    if problem := unfit(document):
        raise InvalidPipeline(f"{where}: {problem}")
    problems = Problems(where)
    top = shapes.read(shapes.DOCUMENT, document, "", problems, "an object with the keys pipeline and steps")
    inputs = declared(top.get("inputs"), problems)
    drafts = _drafts(top.get("steps", {}), problems)
    edges = _check(drafts, inputs, problems)
    names.check_scorers(drafts, scorers, problems)
    names.check_accounts(drafts, top.get("account", ()), capabilities, problems)
    problems.raise_any()
    return Pipeline(
        name=top["pipeline"],
        description=top.get("description", ""),
        inputs=inputs,
        accounts=top.get("account", ()),
        labels=top.get("labels", {}),
        steps={name: drafts[name].step() for name in order.ordered(edges)},
    )


def _drafts(steps: Mapping[str, Any], problems: Problems) -> dict[str, Draft]:
    if len(steps) > parts.MOST_STEPS:
        problems.add("steps", found(f"{len(steps)} steps", f"at most {parts.MOST_STEPS}"))
        return {}
    for name in steps:
        if not re.fullmatch(parts.STEP_NAME, name) or name in parts.RESERVED:
            allowed = "a name of at most 40 lower-case letters, digits and underscores, beginning with a letter"
            problems.add(f"steps.{name}", found(name, allowed))
    return {name: draft(name, value, problems) for name, value in steps.items()}


def _check(drafts: Mapping[str, Draft], inputs: Collection[str], problems: Problems) -> order.Edges:
    """What the steps say of one another; gives what comes before each."""
    names.check_steps(drafts, problems)
    edges = order.dependencies(drafts)
    order.check_cycles(edges, problems)
    origins = fanning.fanned(order.ordered(edges), drafts)
    names.check_expressions(drafts, inputs, origins, problems)
    fanning.check_fans(drafts, origins, problems)
    fanning.check_stand_ins(drafts, origins, problems)
    for step in drafts.values():
        kinds.check_inputs(step, problems)
        kinds.check_source(step, drafts.get(step.source or ""), problems)
    return edges


def shipped() -> dict[str, str]:
    """The pipelines that come with the program: name -> text."""
    folder = files("orchestrator") / "pipelines"
    found_here = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in found_here}
