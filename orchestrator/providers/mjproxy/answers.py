"""Answers to a submission -> what they mean for the job. docs/providers.md has the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from marshmallow import ValidationError

from orchestrator.core.events import Accepted, Ambiguous, Refused, SubmitOutcome, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.fields import external_id, whole
from orchestrator.providers.http import Answer
from orchestrator.providers.outcomes import retry_after
from orchestrator.providers.payload import objects

TAKEN = frozenset({0, 1, 22})  # 0 stands in the gateway's own samples, and nowhere else
_EXISTS = 21
_UNKNOWN = 5  # a gateway's: something went wrong between it and its upstream, which may have the job
_SOON = 15.0  # seconds in which a gateway learns what its upstream knows


@dataclass(frozen=True, slots=True)
class Window:
    """The provider opened a window for the job, and does nothing until it is confirmed. prompt: what it shows."""

    external_id: str
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's body. code: None when it has none (a web server's page, another kind of error)."""

    code: int | None
    description: str
    result: Any = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> str | None:
        """The id in ``result``: a string, a number, or the only item of a list."""
        value = self.result[0] if isinstance(self.result, list) and len(self.result) == 1 else self.result
        try:
            return external_id(value) or None
        except ValidationError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A refusal's code and text, and what follows. orphan: only of orders without a parent."""

    code: int
    text: str = ""
    name: str
    retry: bool = False
    account: bool = False
    after: float | None = None
    orphan: bool = False


_RULES = (
    _Rule(code=3, orphan=True, name="no_account_instance", retry=True, account=True),
    _Rule(code=3, text=r"实例|账号|账户|account|instance", name="no_account_instance", retry=True, account=True),
    _Rule(code=3, name="not_found"),
    _Rule(code=4, text=r"quota|balance|余额|额度", name="insufficient_balance", account=True),
    _Rule(
        code=4,
        text=r"并发|队列|今日|每日|当日|concurren|queue|(daily|day|reach\w*)\b.{0,20}\blimit|limit\b.{0,20}\breach",
        name="limit_reached",
        retry=True,
        account=True,
    ),
    _Rule(code=4, text=r"关联任务状态|task_status", name="parent_not_ready", retry=True, after=_SOON),
    _Rule(code=4, name="validation_error"),
    _Rule(code=9, text=r"队列已满|queue.{0,20}full", name="queue_full", retry=True, account=True),
    _Rule(code=9, name="system_error", retry=True),
    _Rule(code=_EXISTS, name="parameter_error"),
    _Rule(code=23, name="queue_full", retry=True, account=True),
    _Rule(code=24, name="banned_prompt"),
    _Rule(code=25, name="insufficient_balance", account=True),
    _Rule(code=30, name="saturated", retry=True, account=True),
)
_ACCOUNT_STATUSES = frozenset({401, 402, 403})


def meaning(answer: Answer, now: datetime, *, pressed: bool, orphan: bool) -> SubmitOutcome | Window:
    """pressed: a button was pressed. orphan: the order has no parent. ``now``: for a date in Retry-After."""
    if 300 <= answer.status < 400:
        return Refused(TaskError("unexpected_redirect", f"the provider answered with a redirect ({answer.status})"))
    reply = reply_in(answer.body)
    if answer.status == 429:
        after = retry_after(answer.headers.get("retry-after"), now)
        return Refused(_error(reply, "rate_limited", "too many requests"), retry=True, after=after, account=True)
    if reply is not None and reply.code is not None:
        return _by_code(reply, pressed=pressed, orphan=orphan)
    return _by_status(answer, reply, now)


def reply_in(body: bytes) -> Reply | None:
    """The provider's answer in a body, whatever its content type; None when there is none."""
    try:
        item = objects(body)[0]
    except MalformedDelivery:
        return None
    error = item.get("error")
    said = error.get("message") if isinstance(error, Mapping) else error
    properties = item.get("properties")
    return Reply(
        _number(item.get("code")),
        str(item.get("description") or said or "").strip(),
        item.get("result"),
        properties if isinstance(properties, Mapping) else {},
    )


def refused(reply: Reply, *, orphan: bool = False) -> Refused:
    """The refusal in a reply with a code that is none of ``TAKEN``."""
    for rule in _RULES:
        fits = rule.code == reply.code and (orphan or not rule.orphan)
        if fits and (not rule.text or re.search(rule.text, reply.description, re.IGNORECASE)):
            error = _error(reply, rule.name, "no reason given")
            return Refused(error, retry=rule.retry, after=rule.after, account=rule.account)
    return Refused(_error(reply, f"code_{reply.code}", "no reason given"))


def _by_code(reply: Reply, *, pressed: bool, orphan: bool) -> SubmitOutcome | Window:
    if reply.code == _UNKNOWN:
        return Ambiguous(f"the gateway answered 5, which does not say whether the job was taken: {reply.description}")
    if reply.code not in TAKEN and (reply.code != _EXISTS or reply.job is None):
        return refused(reply, orphan=orphan)
    if reply.job is None:
        return Ambiguous("the provider's answer names no job")
    return Window(reply.job, _proposed(reply)) if pressed and _opens_window(reply) else Accepted(reply.job)


def _opens_window(reply: Reply) -> bool:
    """21 is also how a layer without windows says that there is such a task already, and then it says its status.
    A gateway turns 21 into 1, but leaves the rest as it was.
    """
    if reply.code == _EXISTS:
        return reply.properties.get("status") in (None, "", "MODAL")
    return reply.properties.get("remix") is True or bool(re.search(r"窗口|window", reply.description, re.IGNORECASE))


def _proposed(reply: Reply) -> str:
    prompt = reply.properties.get("finalPrompt")
    return prompt if isinstance(prompt, str) else ""


def _by_status(answer: Answer, reply: Reply | None, now: datetime) -> SubmitOutcome:
    if answer.status >= 500 and answer.status != 503:
        return Ambiguous(f"the provider answered {answer.status}, which does not say whether it took the job")
    error = _error(reply, f"http_{answer.status}", f"the provider answered {answer.status} without a reason")
    if answer.status >= 400:
        after = retry_after(answer.headers.get("retry-after"), now)
        unavailable, account = answer.status == 503, answer.status in _ACCOUNT_STATUSES
        return Refused(error, retry=unavailable, after=after, account=account)
    if reply is None:
        return Ambiguous(f"the provider answered {answer.status} and something unreadable")
    return Accepted(reply.job) if reply.job else Ambiguous("the provider's answer names no job")


def _error(reply: Reply | None, code: str, otherwise: str) -> TaskError:
    if reply is None or not reply.description:
        return TaskError(code, otherwise)
    word = reply.properties.get("bannedWord")
    return TaskError(code, f"{reply.description} ({word})" if isinstance(word, str) and word else reply.description)


def _number(value: Any) -> int | None:
    """The code, which may be digits in a string; another kind of error has words there."""
    try:
        return int(value) if isinstance(value, str) and re.fullmatch(r"-\d{1,9}", value, re.ASCII) else whole(value)
    except ValidationError:
        return None
