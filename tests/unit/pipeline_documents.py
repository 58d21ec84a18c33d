"""Documents that the loader's tests share: one that is right, and many that are wrong in one way each."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

GOOD: dict[str, Any] = {
    "pipeline": "good",
    "inputs": {
        "prompt": {"type": "string", "required": True},
        "prompts": "list",
        "n": {"type": "integer", "default": 2},
    },
    "account": "acedata",
    "steps": {
        "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
        "best": {"choose": "quadrant", "of": "grid", "by": "quality"},
        "single": {"action": "upscale", "of": "best"},
        "keep": {"archive": "single"},
    },
}

IMAGINE = {"action": "imagine", "with": {"prompt": "x"}}


def good(**changes: Any) -> dict[str, Any]:
    """GOOD with other values: ``steps__grid__with__prompt="x"`` sets a nested one, None removes it."""
    document = deepcopy(GOOD)
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document
        for key in way:
            place = place.setdefault(key, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
    return document


# (what is wrong, the key that must be named, a part of the sentence): a JSON Schema can see these too
SHAPE_PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    (good(pipeline=None), "pipeline", "missing; allowed: a name"),
    (good(pipeline="Has Spaces"), "pipeline", "found 'Has Spaces'; allowed: a name of 1 to 64"),
    (good(pipeline="-x"), "pipeline", "not beginning with a hyphen"),
    (good(steps=None), "steps", "missing; allowed: an object of at least one step"),
    (good(steps={}), "steps", "found {}; allowed: an object of at least one step"),
    (good(step={}), "step", "unknown key: found 'step', did you mean 'steps'?"),
    (good(steps__Grid=IMAGINE), "steps.Grid", "beginning with a letter"),
    (good(steps__true=IMAGINE), "steps.true", "found 'true'"),
    (good(steps__x="imagine"), "steps.x", "found 'imagine'; allowed: an object with exactly one of the keys"),
    (good(steps__x={}), "steps.x", "found []; allowed: an object with exactly one of the keys"),
    (good(steps__grid__archive="single"), "steps.grid", "exactly one of the keys action, choose, archive"),
    (
        good(steps__grid__action="imagin"),
        "steps.grid.action",
        "found 'imagin', did you mean 'imagine'?; allowed: blend",
    ),
    (good(steps__grid__wiht={}), "steps.grid.wiht", "unknown key: found 'wiht', did you mean 'with'?"),
    (good(steps__grid__with__promt="x"), "steps.grid.with.promt", "did you mean 'prompt'?; allowed: bot"),
    (good(steps__grid__with__prompt=None), "steps.grid.with.prompt", "missing; imagine needs it"),
    (good(steps__grid__with__mode="slow"), "steps.grid.with.mode", "found 'slow'; allowed: fast, relax, turbo"),
    (good(steps__grid__of="best"), "steps.grid.of", "imagine works on no image"),
    (good(steps__single__of=None), "steps.single.of", "missing; upscale works on a grid"),
    (good(steps__single__with={"quadrant": 5}), "steps.single.with.quadrant", "found 5; allowed: 1, 2, 3, 4"),
    (good(steps__best__choose="image"), "steps.best.choose", "found 'image'; allowed: quadrant"),
    (good(steps__best__by=7), "steps.best.by", "found 7; allowed: quality, the name of a scorer, 1, 2, 3, 4, all"),
    (good(steps__best__by=[1]), "steps.best.by", "found [1]"),
    (good(steps__best__else=1), "steps.best.else", "only with by: person"),
    (good(steps__best__by="person", steps__best__else="person"), "steps.best.else", "does not answer"),
    (good(steps__best__by="person", steps__best__else="all"), "steps.best.else", "a person chooses one"),
    (good(steps__best__for_each=[1]), "steps.best.for_each", "unknown key"),
    (good(steps__keep__account="x"), "steps.keep.account", "unknown key"),
    (good(steps__grid__timeout="soon"), "steps.grid.timeout", "found 'soon'; allowed: a duration of at most 30d"),
    (good(steps__grid__timeout=-1), "steps.grid.timeout", "found -1"),
    (good(steps__grid__retry=3), "steps.grid.retry", "found 3; allowed: an object of attempts, backoff, on"),
    (good(steps__grid__retry={"attempts": 11}), "steps.grid.retry.attempts", "allowed: a whole number from 1 to 10"),
    (good(steps__grid__retry={"backoff": {"factor": 0}}), "steps.grid.retry.backoff.factor", "found 0"),
    (good(steps__grid__retry={"on": []}), "steps.grid.retry.on", "found []; allowed: any, a failure code"),
    (good(steps__grid__on_failure="ignore"), "steps.grid.on_failure", "found 'ignore'; allowed: fail, continue"),
    (good(steps__grid__on_failure={"otherwise": "x"}), "steps.grid.on_failure", "an object with else"),
    (good(steps__grid__when=""), "steps.grid.when", "an expression that gives true or false"),
    (good(steps__grid__for_each=[]), "steps.grid.for_each", "a list of 1 to 100 values"),
    (good(steps__grid__labels={"a": "${inputs.n}"}), "steps.grid.labels", "without expressions"),
    (good(account=[]), "account", "found []; allowed: the name of an account"),
    (good(inputs__prompt__type="text"), "inputs.prompt.type", "found 'text'; allowed: string, integer"),
    (good(inputs={"a b": "string"}), "inputs.a b", "letters, digits and underscores"),
    (good(inputs__prompt__requird=True), "inputs.prompt.requird", "did you mean 'required'?"),
    (good(labels={"team": []}), "labels", "names and short texts"),
]

# ... and these only the loader sees
MEANING_PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    (good(steps__grid__timeout="31d"), "steps.grid.timeout", "found '31d'"),
    (good(account=None), "account", "missing; step 'grid' needs one"),
    (good(inputs__n__default="two"), "inputs.n.default", "found 'two'; allowed: a whole number"),
    (good(inputs__n__enum=[1, "3"]), "inputs.n.enum", "found '3'; allowed: a whole number"),
    (good(inputs__n__enum=[3, 4]), "inputs.n.default", "found 2; allowed: 3, 4"),
    (good(steps__best__of="gird"), "steps.best.of", "found 'gird', did you mean 'grid'?; steps: grid, best, single"),
    (good(steps__keep__archive="nothing"), "steps.keep.archive", "found 'nothing'; steps:"),
    (good(steps__keep__needs=["single", "no"]), "steps.keep.needs", "found 'no'"),
    (good(steps__keep__needs="keep"), "steps.keep.needs", "the step itself"),
    (good(steps__grid__with__prompt="${inputs.promt}"), "steps.grid.with.prompt", "did you mean 'prompt'?; inputs:"),
    (good(steps__single__when="steps.gird.result.ok"), "steps.single.when", "did you mean 'grid'?; steps:"),
    (good(steps__single__when="steps.single.result.ok"), "steps.single.when", "the step itself"),
    (good(steps__single__when="size(steps) > 1"), "steps.single.when", "it must name the step: steps.NAME"),
    (good(steps__single__when="input.n > 1"), "steps.single.when", "found 'input', did you mean 'inputs'?"),
    (good(steps__single__when="1 +"), "steps.single.when", "expression '1 +': at character 4"),
    (good(steps__grid__with__images=["a", "${1 +}"]), "steps.grid.with.images.1", "expression '1 +'"),
    (good(steps__grid__with__prompt="${item}"), "steps.grid.with.prompt", "there is no item here"),
    (good(steps__grid__for_each="${item.list}"), "steps.grid.for_each", "there is no item here"),
    (good(steps__grid__needs="keep"), "steps.grid", "wait for one another: grid -> keep -> single -> best -> grid"),
    (
        good(steps__single__of="grid"),
        "steps.single.of",
        "found 'grid', which yields a grid; upscale works on one quadrant",
    ),
    (good(steps__single__with={"quadrant": 1}), "steps.single.of", "leave one of the two away"),
    (good(steps__single__action="upscale_4x"), "steps.single.of", "works on a single image: upscale the choice first"),
    (good(steps__single__action="reroll"), "steps.single.of", "reroll works on a grid: name the grid instead"),
    (good(steps__best__of="single", steps__single__of="grid"), "steps.best.of", "a quadrant is chosen of a grid"),
    (good(steps__keep__archive="best"), "steps.keep.archive", "only a grid or a single image can be archived"),
    (
        good(steps__large={"action": "upscale_4x", "of": "grid"}),
        "steps.large.of",
        "choose a quadrant and upscale it first",
    ),
    (good(steps__large={"action": "upscale_4x", "of": "keep"}), "steps.large.of", "which yields nothing to work on"),
    (
        good(steps__grid={"action": "video", "with": {"image": "u"}}, steps__keep__archive="grid"),
        "steps.keep.archive",
        "found 'grid', which yields a video; only a grid or a single image can be archived",
    ),
    (good(steps__more={"action": "video_extend", "of": "grid"}), "steps.more.of", "video_extend works on a video"),
    (good(steps__more={"action": "video_extend", "of": "best"}), "steps.more.of", "video_extend works on a video"),
    (good(steps__best__by="all", steps__single__for_each=[1, 2]), "steps.single.for_each", "fanned out already"),
    (good(steps__grid__for_each=[1, 2], steps__best__by="all"), "steps.best.by", "fanned out already"),
    (good(steps__grid__on_failure={"else": "gone"}), "steps.grid.on_failure", "unknown step: found 'gone'"),
    (good(steps__grid__on_failure={"else": "grid"}), "steps.grid.on_failure", "the step itself"),
    (good(steps__grid__on_failure={"goto": "single"}), "steps.best", "one another: best -> single -> best"),
    (
        good(steps__other=IMAGINE, steps__single__on_failure={"else": "other"}),
        "steps.single.on_failure",
        "'other' yields grid; allowed: a step that yields single",
    ),
    (
        good(
            steps__other=IMAGINE,
            steps__grid__on_failure={"else": "other"},
            steps__more={**IMAGINE, "on_failure": {"else": "other"}},
        ),
        "steps.more.on_failure",
        "'other' stands in for 'grid' already",
    ),
    (
        good(
            steps__other={
                "action": "upscale",
                "of": "grid",
                "with": {"quadrant": 1},
                "when": "steps.single.error != null",
            },
            steps__single__on_failure={"else": "other"},
        ),
        "steps.single.on_failure",
        "'other' uses 'single', whose failure is what brings it in",
    ),
    (
        good(steps__other={**IMAGINE, "for_each": [1, 2]}, steps__grid__on_failure={"else": "other"}),
        "steps.grid.on_failure",
        "does not have the same items",
    ),
]
