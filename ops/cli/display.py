"""How things look: JSON as it is, or tables with coloured states and relative times; plain when nobody watches."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "succeeded": "green",
    "accepted": "green",
    "ok": "green",
    "failed": "bold red",
    "fail": "bold red",
    "rejected": "red",
    "uncertain": "bold yellow",
    "warn": "yellow",
    "late": "yellow",
    "parked": "yellow",
    "paused": "yellow",
    "cancelled": "dim",
    "duplicate": "dim",
    "stale": "dim",
    "running": "cyan",
    "waiting": "cyan",
    "submitting": "cyan",
    "working": "cyan",
}
_PLAIN_WIDTH = 1_000  # columns of a pipe: nothing is cut there
_LONGEST_VALUE = 500  # characters; a prompt is shorter
# Not tabs and new lines; but halves of surrogate pairs, which no terminal can be sent.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
Cell = str | Text


def console(*, err: bool = False) -> Console:
    """For stdout or stderr as they are now. A pipe gets plain text of any width."""
    found = Console(stderr=err, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=err, highlight=False, width=_PLAIN_WIDTH, no_color=True)


def visible(text: str) -> str:
    """The text with control characters spelt out: a prompt or a provider's words must not steer the terminal."""
    return _CONTROLS.sub(lambda found: _spelt(ord(found[0])), text)


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _cell(value: Cell) -> Text:
    if isinstance(value, Text):
        return value.copy() if _CONTROLS.search(value.plain) is None else Text(visible(value.plain))
    return Text(visible(value))


def show_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def hint(text: str) -> None:
    """A line on stderr that helps, and that nobody misses."""
    console(err=True).print(Text(visible(text), style="dim"), soft_wrap=True)


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, flexible: Sequence[str], wrapped: bool = False
) -> None:
    """``flexible``: columns that are cut short, or ``wrapped``, where a terminal is narrow; the others stay whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column not in flexible, overflow="fold" if wrapped else "ellipsis")
    for row in rows:
        cells = map(_cell, row)
        table.add_row(*(_kept_on_one_line(cell) if not wrapped else cell for cell in cells))
    _write(console(), table)


def _kept_on_one_line(cell: Text) -> Text:
    cell.no_wrap, cell.overflow = True, "ellipsis"
    return cell


def show_facts(facts: Mapping[str, Cell | None]) -> None:
    """Names and values, one pair a line; those that are None are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, _cell(value))
    _write(console(), table)


def _write(out: Console, table: Table) -> None:
    """A table without the blanks that fill its last column."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def state(word: str | None) -> Text:
    """A state, a verdict or a level in its colour."""
    return Text(word or "", style=COLOURS.get(word or "", ""))


def moment(text: str) -> datetime:
    """An RFC 3339 time of the API."""
    return datetime.fromisoformat(text)


def ago(text: str | None, now: datetime | None = None) -> str:
    """A time as a distance from now: ``5 s ago``, ``in 2 min``."""
    if not text:
        return ""
    seconds = ((now or datetime.now(UTC)) - moment(text)).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def age(text: str, now: datetime | None = None) -> str:
    """How long ago something was: ``5 s``, ``2 min``."""
    return ago(text, now).removesuffix(" ago")


def span(seconds: float) -> str:
    """A duration in its largest unit: ``5 s``, ``3 min``, ``2 h``, ``4 d``."""
    for unit, size, limit in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86400)} d"


def clock(seconds: float) -> str:
    """A running duration: ``0:07``, ``12:05``, ``1:00:00``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def lasted(start: str | None, end: str | None) -> str:
    """How long something took, ``0.4 s`` or ``1:05``; empty when it has not ended."""
    if not start or not end:
        return ""
    seconds = max(0.0, (moment(end) - moment(start)).total_seconds())
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def location(uri: str) -> str:
    """Where an object is: the plain path of a file on this machine, else its URI."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri


def said(error: Mapping[str, Any] | None) -> str | None:
    """A failure's code and message in one line."""
    if not error:
        return None
    parts = [str(error[key]) for key in ("code", "message") if error.get(key)]
    return visible(": ".join(parts)) or None


def words(values: Mapping[str, Any] | None) -> str | None:
    """``k=v`` pairs in one line; of a long value, such as a mask in base64, the beginning."""
    if not values:
        return None
    texts = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in values.items()}
    return "  ".join(f"{k}={_beginning(text)}" for k, text in texts.items())


def _beginning(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:60]}… ({len(text)} characters)"


def show_findings(rows: Iterable[Sequence[Cell]]) -> None:
    """Lines of a level, a subject and what there is to say of it, which may be long."""
    table = Table.grid(padding=(0, 2))
    for number in range(3):
        table.add_column(no_wrap=number < 2, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    _write(console(), table)


def account_of(task: Mapping[str, Any]) -> str:
    """Who does the work; nobody's account for what our own workers do."""
    return str(task.get("account") or "") if task.get("kind", "provider") == "provider" else ""


def step_name(task: Mapping[str, Any], fanned_out: Collection[str] = ()) -> str:
    """``grid``, for one of several items ``grid[2]``, for a further attempt ``grid #3``.

    fanned_out: the steps that are known to have several items, so that the first one is numbered too.
    """
    item = f"[{task['item']}]" if task.get("item") or task["step"] in fanned_out else ""
    attempt = f" #{task['attempt']}" if task.get("attempt", 1) > 1 else ""
    return f"{task['step']}{item}{attempt}"
