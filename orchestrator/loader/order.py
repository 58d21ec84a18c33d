"""The order of steps: every step after what it needs, else as in the document; and the cycles that forbid one."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from orchestrator.loader.draft import Draft
from orchestrator.loader.problems import Problems

Edges = Mapping[str, frozenset[str]]


def dependencies(drafts: Mapping[str, Draft]) -> Edges:
    """For each step, the other steps that come before it.

    A stand-in comes after the step that it stands in for, and before whoever uses that step.
    """
    before = {
        name: {used for need in filter(None, (draft.source, *draft.needs)) for used in with_stand_ins(need, drafts)}
        for name, draft in drafts.items()
    }
    for name, draft in drafts.items():
        if draft.otherwise in before:
            before[draft.otherwise].add(name)
    return {name: frozenset(needs & drafts.keys() - {name}) for name, needs in before.items()}


def with_stand_ins(name: str, drafts: Mapping[str, Draft]) -> list[str]:
    """The step, the step that stands in for it, the one that stands in for that, ..."""
    chain: list[str] = []
    following: str | None = name
    while following and following in drafts and following not in chain:
        chain.append(following)
        following = drafts[following].otherwise
    return chain


def ordered(edges: Edges) -> list[str]:
    """Topological, else in the order of the mapping; the steps of cycles, and those after them, are left out."""
    position = {name: index for index, name in enumerate(edges)}
    names = list(edges)
    missing = {name: len(before) for name, before in edges.items()}
    after: dict[str, list[str]] = {name: [] for name in edges}
    for name, before in edges.items():
        for need in before:
            after[need].append(name)
    ready = [position[name] for name, count in missing.items() if not count]
    result = []
    while ready:
        name = names[heapq.heappop(ready)]
        result.append(name)
        for follower in after[name]:
            missing[follower] -= 1
            if not missing[follower]:
                heapq.heappush(ready, position[follower])
    return result


def check_cycles(edges: Edges, problems: Problems) -> None:
    """Every group of steps that wait for one another is said once, as one way around."""
    left = {name: before for name, before in edges.items() if name not in set(ordered(edges))}
    while left:
        cycle = _cycle(left)
        problems.add(f"steps.{cycle[0]}", f"the steps wait for one another: {' -> '.join([*cycle, cycle[0]])}")
        rest = {name: before - set(cycle) for name, before in left.items() if name not in cycle}
        done = set(ordered({name: before & rest.keys() for name, before in rest.items()}))
        left = {name: before - done for name, before in rest.items() if name not in done}


def _cycle(edges: Edges) -> list[str]:
    """One way around: from any step that waits, backwards until a step comes again."""
    path: list[str] = []
    name = next(iter(edges))
    while name not in path:
        path.append(name)
        name = next(need for need in sorted(edges[name]) if need in edges)
    around = path[path.index(name) :]
    first = min(range(len(around)), key=lambda index: list(edges).index(around[index]))
    return around[first:] + around[:first]
