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


def some_ids(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Option callback: any number of them."""
    return tuple(str(an_id(context, parameter, text)) for text in texts)
