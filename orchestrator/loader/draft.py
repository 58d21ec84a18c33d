"""A step while it is being checked: its keys as read, what it is, and what it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator import expressions
from orchestrator.core.actions import ACTIONS, Action, Yields
from orchestrator.core.pipeline import Retry, Step
from orchestrator.core.states import TaskKind
from orchestrator.errors import InvalidExpression
from orchestrator.expressions import References
from orchestrator.loader import shapes
from orchestrator.loader.problems import Problems, found, unknown

KINDS = {"action": TaskKind.PROVIDER, "choose": TaskKind.CHOOSE, "archive": TaskKind.ARCHIVE}
LOCAL_TIMEOUT = 600  # seconds for choosing and archiving
PERSON_TIMEOUT = 24 * 3600  # seconds that a person has


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """kind None: the document does not say clearly what the step does. spoken: key -> what the text there speaks of."""

    name: str
    kind: TaskKind | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    action: Action | None = None
    spoken: Mapping[str, References] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"steps.{self.name}"

    @property
    def source(self) -> str | None:
        return self.keys.get("archive") if self.kind is TaskKind.ARCHIVE else self.keys.get("of")

    @property
    def source_key(self) -> str:
        return f"{self.path}.{'archive' if self.kind is TaskKind.ARCHIVE else 'of'}"

    @property
    def by(self) -> str | int:
        by: str | int = self.keys.get("by", "quality")
        return by

    @property
    def otherwise(self) -> str | None:
        name: str | None = self.keys.get("on_failure", ("fail", None))[1]
        return name

    @property
    def needs(self) -> tuple[str, ...]:
        """Explicit needs, then the steps that expressions speak of, without the source."""
        spoken = sorted({name for references in self.spoken.values() for name in references.steps})
        return tuple(name for name in dict.fromkeys([*self.keys.get("needs", ()), *spoken]) if name != self.source)

    @property
    def yields(self) -> str | None:
        """What its users get: a picture's kind, ``choice`` or ``archive``; None when that is not known."""
        if self.kind is TaskKind.PROVIDER:
            return self.action.yields.value if self.action else None
        return {TaskKind.CHOOSE: "choice", TaskKind.ARCHIVE: "archive"}.get(self.kind) if self.kind else None

    @property
    def yields_image(self) -> bool:
        return self.yields in {Yields.GRID, Yields.SINGLE}

    @property
    def fans_out(self) -> bool:
        return "for_each" in self.keys or self.chooses_all

    @property
    def chooses_all(self) -> bool:
        return self.kind is TaskKind.CHOOSE and self.by == "all"

    def step(self) -> Step:
        """The step that the engine works with; only for a draft without problems."""
        assert self.kind is not None  # noqa: S101 a draft without a kind has a problem, which was raised before
        on_failure, otherwise = self.keys.get("on_failure", ("fail", None))
        return Step(
            name=self.name,
            kind=self.kind,
            action=self.action.name if self.action else self.kind.value,
            source=self.source,
            inputs=self.keys.get("with", {}),
            needs=self.needs,
            when=self.keys.get("when"),
            for_each=self.keys.get("for_each"),
            by=self.by,
            fallback=self.keys.get("else"),
            retry=self.keys.get("retry", Retry()),
            timeout=self.keys.get("timeout", self._default_timeout()),
            on_failure=on_failure,
            otherwise=otherwise,
            accounts=self.keys.get("account", ()),
            labels=self.keys.get("labels", {}),
        )

    def _default_timeout(self) -> int:
        if self.action:
            return self.action.timeout
        return PERSON_TIMEOUT if self.kind is TaskKind.CHOOSE and self.by == "person" else LOCAL_TIMEOUT


def draft(name: str, value: Any, problems: Problems) -> Draft:
    """What can be read of one step."""
    path = f"steps.{name}"
    forms = [form for form in shapes.FORMS if isinstance(value, Mapping) and form in value]
    if len(forms) != 1:
        allowed = "an object with exactly one of the keys action, choose, archive"
        problems.add(path, found(list(map(str, value)) if isinstance(value, Mapping) else value, allowed))
        return Draft(name=name)
    keys = shapes.read(shapes.STEPS[forms[0]], value, path, problems, "an object")
    action = ACTIONS.get(keys.get("action", ""))
    if "action" in keys and not action:
        problems.add(f"{path}.action", unknown(keys["action"], sorted(ACTIONS)))
    if str(keys.get("with", {}).get("quadrant")) in {"1", "2", "3", "4"}:
        keys["with"]["quadrant"] = int(keys["with"]["quadrant"])
    return Draft(name=name, kind=KINDS[forms[0]], keys=keys, action=action, spoken=_spoken(path, keys, problems))


def _spoken(path: str, keys: Mapping[str, Any], problems: Problems) -> dict[str, References]:
    heard: dict[str, References] = {}
    for key, value, whole in _expressions(keys):
        try:
            heard[key] = expressions.check(value) if whole else expressions.references(value)
        except InvalidExpression as exc:
            problems.add(f"{path}.{key}", exc.message)
    return heard


def _expressions(keys: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(key, text, is the whole text an expression even without ``${}``)."""
    for key in ("when", "for_each"):
        if isinstance(keys.get(key), str):
            yield key, keys[key], True
    for key in ("with", "for_each"):
        if not isinstance(keys.get(key), str):
            yield from ((path, text, False) for path, text in leaves(keys.get(key), key))


def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a value, with the path to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
