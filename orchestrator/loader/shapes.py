"""Which keys a document, an input, a step and a retry have, and what may stand there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from orchestrator.core.backoff import Backoff
from orchestrator.core.pipeline import Retry
from orchestrator.loader import parts
from orchestrator.loader.parts import Part
from orchestrator.loader.problems import Problems, found, unknown

INPUT_TYPES = ("string", "integer", "number", "boolean", "list", "object")
DURATION = "a duration of at most 30d such as 90s, 10m, 1h30m, or seconds"
STEP = "the name of a step"
FORMS = ("action", "choose", "archive")


class Strict(Schema):
    """A schema that says which keys it knows when it meets another."""

    class Meta:
        unknown = EXCLUDE  # reported below, in our words

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def no_other_keys(self, _: Any, original: Mapping[str, Any], **__: Any) -> None:
        others = [key for key in original if key not in self.fields]
        if others:
            raise ValidationError({key: [f"unknown key: {unknown(key, self.fields)}"] for key in others})


def _schema(**keys: fields.Field[Any]) -> Strict:
    return Strict.from_dict(dict(keys))()  # type: ignore[return-value]  # from_dict forgets the subclass


def read(schema: Strict, value: Any, key: str, problems: Problems, what: str) -> dict[str, Any]:
    """What can be read of a mapping; what cannot goes to the problems. YAML 1.1 reads the key ``on`` as true."""
    if not isinstance(value, Mapping):
        problems.add(key, found(value, what))
        return {}
    try:
        loaded: dict[str, Any] = schema.load({"on" if name is True else str(name): value[name] for name in value})
    except ValidationError as exc:
        problems.merge(key, exc.messages_dict)
        loaded = dict(exc.valid_data) if isinstance(exc.valid_data, Mapping) else {}
    return loaded


def _backoff(value: Any) -> Backoff:
    if not isinstance(value, Mapping):
        first = parts.seconds(value)
        return Backoff(first=first, most=max(300.0, first))
    loaded = {"first": 5.0, **BACKOFF.load({str(key): item for key, item in value.items()})}
    return Backoff(**{"most": max(300.0, loaded["first"]), **loaded})


def _retry(value: Any) -> Retry:
    if not isinstance(value, Mapping):
        raise ValueError
    return Retry(**{"attempts": 3, **RETRY.load({"on" if key is True else str(key): value[key] for key in value})})


BACKOFF = _schema(
    first=Part(parts.seconds, DURATION),
    factor=Part(parts.factor, "a number from 1 to 100"),
    most=Part(parts.seconds, DURATION),
)

RETRY = _schema(
    attempts=Part(parts.attempts, "a whole number from 1 to 10"),
    backoff=Part(_backoff, f"{DURATION}, or an object of first, factor, most"),
    on=Part(parts.codes, "any, a failure code, or a list of failure codes"),
)

INPUT = _schema(
    type=Part(parts.one_of(*INPUT_TYPES), ", ".join(INPUT_TYPES)),
    required=Part(parts.flag, "true, false"),
    default=fields.Raw(allow_none=True),
    enum=Part(parts.values, "a list of 1 to 100 values"),
    description=Part(parts.text, f"text of at most {parts.LONGEST_TEXT} characters"),
)

_ACCOUNT = Part(parts.names(parts.ACCOUNT_NAME), "the name of an account, or a list of names")
_LABELS = Part(parts.labels, f"an object of at most {parts.MOST_NAMES} names and short texts, without expressions")
_OF = Part(parts.named(parts.STEP_NAME), STEP)

DOCUMENT = _schema(
    pipeline=Part(
        parts.named(parts.PIPELINE_NAME),
        "a name of 1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen",
        required=True,
    ),
    description=Part(parts.text, f"text of at most {parts.LONGEST_TEXT} characters"),
    inputs=Part(parts.mapping, "an object of names and their types"),
    account=_ACCOUNT,
    steps=Part(parts.filled, "an object of at least one step", required=True),
    labels=_LABELS,
)

_COMMON = {
    "needs": Part(parts.names(parts.STEP_NAME), "the name of a step, or a list of names"),
    "when": Part(parts.condition, "an expression that gives true or false"),
    "retry": Part(_retry, "an object of attempts, backoff, on"),
    "timeout": Part(parts.timeout, DURATION),
    "on_failure": Part(parts.on_failure, "fail, continue, or an object with else and the name of a step"),
    "labels": _LABELS,
}

_BY = "quality, the name of a scorer, 1, 2, 3, 4"

STEPS = {
    "action": _schema(
        action=Part(parts.text, "an action", required=True),
        of=_OF,
        for_each=Part(parts.several, "a list of 1 to 100 values, or an expression that gives a list"),
        account=_ACCOUNT,
        **{"with": Part(parts.mapping, "an object")},
        **_COMMON,
    ),
    "choose": _schema(
        choose=Part(parts.one_of("quadrant"), "quadrant", required=True),
        of=Part(parts.named(parts.STEP_NAME), STEP, required=True),
        by=Part(parts.judge, f"{_BY}, all, person"),
        **{"else": Part(parts.judge, _BY)},
        **_COMMON,
    ),
    "archive": _schema(archive=Part(parts.named(parts.STEP_NAME), STEP, required=True), **_COMMON),
}
