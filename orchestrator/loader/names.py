"""Checks that every name in a document is the name of something: of a step, an input, a scorer, an account."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from orchestrator.core.states import TaskKind
from orchestrator.expressions import References
from orchestrator.loader.draft import Draft
from orchestrator.loader.problems import Problems, near, unknown

CONTEXT = ("inputs", "steps", "run", "item", "index")
WORDS = frozenset({"all", "person", "quality"})


def check_steps(drafts: Mapping[str, Draft], problems: Problems) -> None:
    """``of``, ``archive``, ``needs`` and ``on_failure`` name other steps of the document."""
    for draft in drafts.values():
        for key, name in _named(draft):
            if name == draft.name:
                problems.add(key, f"found {name!r}, the step itself; allowed: another step")
            elif name not in drafts:
                problems.add(key, f"unknown step: {unknown(name, drafts, 'steps')}")


def _named(draft: Draft) -> Iterator[tuple[str, str]]:
    if draft.source:
        yield draft.source_key, draft.source
    if draft.otherwise:
        yield f"{draft.path}.on_failure", draft.otherwise
    yield from ((f"{draft.path}.needs", name) for name in draft.keys.get("needs", ()))


def check_expressions(
    drafts: Mapping[str, Draft], inputs: Collection[str], fanned_out: Collection[str], problems: Problems
) -> None:
    """Expressions speak only of what there is when they are evaluated."""
    for draft in drafts.values():
        for key, references in draft.spoken.items():
            path = f"{draft.path}.{key}"
            _check_steps_spoken_of(path, draft, references, drafts, problems)
            for name in sorted(references.inputs - set(inputs)):
                problems.add(path, f"unknown input: {unknown(name, inputs, 'inputs')}")
            for name in sorted(references.others - set(CONTEXT)):
                problems.add(path, f"unknown name: {unknown(name, CONTEXT, 'names')}")
            if "item" in references.others and (draft.name not in fanned_out or key.startswith("for_each")):
                problems.add(path, "there is no item here: only a step that is fanned out has one, not its for_each")


def _check_steps_spoken_of(
    path: str, draft: Draft, references: References, drafts: Collection[str], problems: Problems
) -> None:
    for name in sorted(references.steps):
        if name == draft.name:
            problems.add(path, f"it speaks of steps.{name}, the step itself; allowed: another step")
        elif name not in drafts:
            problems.add(path, f"unknown step: {unknown(name, drafts, 'steps')}")
    if "steps" in references.whole:
        problems.add(path, 'it must name the step: steps.NAME or steps["NAME"]')


def check_scorers(drafts: Mapping[str, Draft], scorers: Collection[str] | None, problems: Problems) -> None:
    """``by`` and ``else`` name a way to choose."""
    for draft in drafts.values():
        if draft.kind is not TaskKind.CHOOSE:
            continue
        _check_fallback(draft, problems)
        for key in ("by", "else"):
            judge = draft.keys.get(key)
            if scorers is not None and isinstance(judge, str) and judge not in WORDS | set(scorers):
                known = ["quality", *sorted(set(scorers) - {"quality"}), "1", "2", "3", "4", "all", "person"]
                problems.add(f"{draft.path}.{key}", unknown(judge, known if key == "by" else known[:-2]))


def _check_fallback(draft: Draft, problems: Problems) -> None:
    path, fallback = f"{draft.path}.else", draft.keys.get("else")
    if fallback is not None and draft.by != "person":
        problems.add(path, f"found {fallback!r}, but only with by: person is there anything else to do")
    if fallback == "all":
        problems.add(
            path, "found 'all'; a person chooses one, so the rest of the pipeline expects one: 1 to 4, a scorer"
        )
    if fallback == "person":
        problems.add(path, "found 'person'; it says what happens when the person does not answer: 1 to 4, a scorer")


def check_accounts(
    drafts: Mapping[str, Draft],
    accounts: Collection[str],
    capabilities: Mapping[str, frozenset[str]] | None,
    problems: Problems,
) -> None:
    """Every provider step has an account, which exists and can do the action."""
    for draft in drafts.values():
        if draft.kind is not TaskKind.PROVIDER:
            continue
        own = draft.keys.get("account", ())
        key = f"{draft.path}.account" if own else "account"
        if not own and not accounts and "account" not in problems:
            known = "" if capabilities is None else f"; accounts: {', '.join(sorted(capabilities)) or 'none'}"
            problems.add("account", f"missing; step {draft.name!r} needs one{known}")
        for name in own or accounts if capabilities is not None else ():
            _check_capability(draft, key, name, capabilities or {}, problems)


def _check_capability(
    draft: Draft, key: str, account: str, capabilities: Mapping[str, frozenset[str]], problems: Problems
) -> None:
    if account not in capabilities:
        problems.add(key, f"unknown account: {unknown(account, sorted(capabilities), 'accounts')}")
    elif draft.action and draft.action.name not in capabilities[account]:
        can = sorted(capabilities[account])
        guess = near(draft.action.name, can)
        others = sorted(name for name, actions in capabilities.items() if draft.action.name in actions)
        problems.add(
            f"{draft.path}.action",
            f"account {account!r} cannot do {draft.action.name!r}{guess}; it can do: {', '.join(can) or 'nothing'}"
            f"; accounts that can: {', '.join(others) or 'none'}",
        )
