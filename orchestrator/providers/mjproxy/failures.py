"""Why a task failed, told from its ``failReason``: free text, in Chinese or English."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.core.events import TaskError

_CODES = (
    ("timeout", re.compile(r"超时|time[ds]?[ -]?out", re.IGNORECASE)),
    ("cancelled", re.compile(r"取消|cancell?ed", re.IGNORECASE)),
    ("banned_prompt", re.compile(r"敏感|违规|banned|moderat|sensitive|blocked|inappropriate", re.IGNORECASE)),
    ("invalid_parameter", re.compile(r"invalid parameter|invalid (?:value|link)|unrecognized argument", re.IGNORECASE)),
    ("queue_full", re.compile(r"队列已满|queue[d]? (?:is )?full", re.IGNORECASE)),
    ("internal_error", re.compile(r"internal server error|系统异常", re.IGNORECASE)),
)


def error_of(reason: Any, *, otherwise: str = "task_failed") -> TaskError:
    """The error in a reason. otherwise: the code when the text says nothing that is known."""
    text = "" if reason is None else str(reason).strip()
    code = next((code for code, pattern in _CODES if pattern.search(text)), otherwise)
    return TaskError(code, text or "the provider gave no reason")
