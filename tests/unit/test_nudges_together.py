"""What goes to the broker together: fewer messages, and nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.broker.nudges import TOGETHER, Message, together

ADVANCES = st.builds(lambda name: Message("advance", (name,), 0.0), st.sampled_from([f"run-{n}" for n in range(60)]))
SUBMITS = st.builds(
    lambda account, ready, after: Message("submit", (account, ready), after),
    st.sampled_from(["one", "two"]),
    st.integers(1, 5),
    st.sampled_from([0.0, 2.0]),
)
OTHERS = st.sampled_from([Message("act", (), 0.0), Message("look", ("one", ["a-task"]), 0.0)])


@given(st.lists(ADVANCES | SUBMITS | OTHERS, max_size=80))
def test_every_run_is_named_once_and_everything_ready_is_counted(messages: list[Message]) -> None:
    found = list(together(messages))
    named = [name for one in found if one.job == "advance" for name in one.arguments]
    assert sorted(named) == sorted({one.arguments[0] for one in messages if one.job == "advance"})
    assert all(len(one.arguments) <= TOGETHER for one in found if one.job == "advance")
    for account in ("one", "two"):
        assert _ready(found, account) == _ready(messages, account)
    assert _rest(found) == _rest(messages)


def _ready(messages: list[Message], account: str) -> int:
    return sum(one.arguments[1] for one in messages if one.job == "submit" and one.arguments[0] == account)


def _rest(messages: list[Message]) -> list[Message]:
    """What is sent as it is: everything that is for later, acts and looks."""
    return [one for one in messages if one.after or one.job in {"act", "look"}]
