"""Structured logs: one line per callback, per submission, per job. Text on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

# A callback's token, in any spelling. Not the API's /v1/callbacks/<id>/replay and its like: behind an id, a few small
# letters are a verb (a token has 23 characters or more). Also where the slashes are escaped, as in JSON or in a query.
_SLASH = r"(?: \\{1,4} (?: / | u002f ) | % (?:25)? 2f )"
_TOKEN = rf"""
      (/callbacks/ (?! [0-9a-f-]{{36}} / (?-i:[a-z]{{1,12}}) (?![\w%-]) ) [^/\s]+/) [\w%-]+
    | (callbacks {_SLASH} [a-z0-9_-]{{1,40}} {_SLASH}) [\w%-]+
"""
# A bearer token and a password in a URL as well. In a document, as opposed to a sentence, these would take its commas
# and brackets for a part of them.
_SECRET = re.compile(rf"{_TOKEN} | (bearer\s+) \S+ | (://[^:/\s]*:) [^@/\s]+ (?=@)", re.IGNORECASE | re.VERBOSE)
_IN_DOCUMENTS = re.compile(_TOKEN, re.IGNORECASE | re.VERBOSE)

SHORTEST = 12  # characters of a secret that is known by its own letters; a shorter one may be an ordinary word
_known: re.Pattern[str] | None = None
_values: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """From now on blot these out wherever they stand, in this process: a provider may repeat the token it was shown."""
    global _known  # noqa: PLW0603 - logging is of the whole process
    _values.update(secret for secret in secrets if len(secret) >= SHORTEST)
    if _values:
        _known = re.compile("|".join(map(re.escape, sorted(_values, key=len, reverse=True))))


def configure(*, json: bool | None = None, level: int = logging.INFO) -> None:
    """Set up logging for a process. json: None decides by whether stderr is a terminal.

    What libraries log, from warnings on, comes out in the same form and with the same secrets blotted out.
    """
    lines = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if lines else structlog.dev.ConsoleRenderer()
    first: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [structlog.processors.format_exc_info, mask, renderer]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[without_meta, *last]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out callback tokens, bearer tokens and passwords in URLs, wherever they stand in a line."""
    for key, value in event.items():
        event[key] = _without_secrets(value)
    return event


def masked(text: str) -> str:
    """The text without callback tokens, bearer tokens, passwords in URLs, and what is to be hidden."""
    return _blotted(text, _SECRET)


def without_tokens(value: Any) -> Any:
    """A provider's document, as text or as what was read from it, without callback tokens and what is to be hidden."""
    if isinstance(value, str):
        return _blotted(value, _IN_DOCUMENTS)
    if isinstance(value, Mapping):
        return {key: without_tokens(one) for key, one in value.items()}
    return [without_tokens(one) for one in value] if isinstance(value, list | tuple) else value


def _blotted(text: str, pattern: re.Pattern[str]) -> str:
    if _known is not None:
        text = _known.sub("***", text)
    return pattern.sub(lambda found: f"{found[found.lastindex or 0]}***", text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _without_secrets(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else masked(str(value))
