"""Ids as arguments of commands."""

from __future__ import annotations

from uuid import UUID

import rich_click as click


def an_id(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Option callback: the id of a run, a task or a callback."""
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an id (a UUID); `list` shows them") from None
