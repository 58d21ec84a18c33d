"""The table in docs/conformance.md: which dialect can do which action, and how it waits. Made from the code.

``python -m ops.conformance > docs/conformance.md`` after a change; a test compares.
"""

from __future__ import annotations

from orchestrator.core.actions import ACTIONS
from orchestrator.providers import DIALECTS

HEAD = """# What each provider can do

Made from the code by `python -m ops.conformance`; a test fails when it is not up to date.

Ways to wait: *callback* and *poll* are chosen by an account's `callback` (`push`, `poll`, `both`); with
`stream: true` the *callbacks come with progress*, or the worker reads the *stream* when the account is
polled; an *answer* comes with the submission; *no call*: the result came with the parent's, nothing is sent
and nothing paid. Where a dialect sends progress in its callbacks anyway, it needs no setting.

**What happens when something isn't possible.** An action that no listed account's dialect has (-) is refused
when the pipeline is checked, with the accounts that can do it. An action that the parent image does not
offer, and an input that the dialect does not take, are refused before anything is paid (`invalid_order`). A
way of waiting that a dialect lacks is replaced: without callbacks a silent job is polled after `quiet`
seconds, without a stream it is polled.
"""


def page() -> str:
    """The whole page."""
    names = sorted(DIALECTS)
    lines = [f"| action | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    lines += [f"| `{action}` | {' | '.join(_cell(name, action) for name in names)} |" for action in ACTIONS]
    return f"{HEAD}\n" + "\n".join(lines) + "\n"


def _cell(dialect: str, action: str) -> str:
    capability = DIALECTS[dialect].actions.get(action)
    if capability is None:
        return "-"
    return f"`{capability.name}`: {', '.join(sorted(capability.waits))}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - that is what it is for
