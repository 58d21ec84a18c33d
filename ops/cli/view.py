"""A run while it is under way: one progress bar per task on a terminal, one line per change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ops.cli import display

Task = Mapping[str, Any]
OVER = frozenset({"succeeded", "failed", "cancelled"})
ROOMY, TIGHT = 100, 72  # columns of a terminal: above there is room for everything, below only for the bar
BAR = 20


class View(Protocol):
    """Somebody to whom a run is shown."""

    def show(self, run: Mapping[str, Any]) -> None:
        """The run as it is now."""

    def note(self, text: str | None) -> None:
        """Something to know about the watching itself; None: no longer."""


@contextmanager
def make_view(console: Console) -> Iterator[View]:
    """Bars where they can be drawn, else lines."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines(console)
        return
    bars = Bars(console)
    with Live(get_renderable=bars.render, console=console, refresh_per_second=8, transient=True):
        yield bars


def newest(run: Mapping[str, Any]) -> list[Task]:
    """The run's tasks, of each step and item the last attempt only: steps as they were opened, items by number."""
    last: dict[tuple[str, int], Task] = {}
    steps: dict[str, int] = {}
    for task in run["tasks"]:
        key = (task["step"], task["item"])
        steps.setdefault(task["step"], len(steps))
        if key not in last or task["attempt"] > last[key]["attempt"]:
            last[key] = task
    return sorted(last.values(), key=lambda task: (steps[task["step"]], task["item"]))


def fanned_out(run: Mapping[str, Any]) -> set[str]:
    """The steps that have several items."""
    return {task["step"] for task in run["tasks"] if task["item"]}


def needed(run: Mapping[str, Any]) -> list[str]:
    """What a person has to do before the run can go on."""
    told = []
    for task in newest(run):
        if task.get("kind") == "choose" and task["state"] == "waiting":
            told.append(f"Choose: orchestrator tasks choose {task['id']} 1|2|3|4")
        elif task["state"] == "uncertain":
            told.append(f"If you know what became of it: orchestrator tasks resolve {task['id']} OUTCOME")
    return told


class Lines:
    """One line for each change of a task's state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, tuple[str, str | None]] = {}
        self._wishes: set[str] = set()
        self._note: str | None = None

    def show(self, run: Mapping[str, Any]) -> None:
        several = fanned_out(run)
        for task in run["tasks"]:
            seen = (task["state"], task.get("waiting_for"))
            if self._known.get(task["id"]) != seen:
                self._known[task["id"]] = seen
                self._say(f"{display.step_name(task, several)}: {task['action']}{_at(task)}: {_standing(task)}")
        for wish in needed(run):
            if wish not in self._wishes:
                self._wishes.add(wish)
                self._say(wish)

    def note(self, text: str | None) -> None:
        if text and text != self._note:
            self._say(text)
        self._note = text

    def _say(self, text: str) -> None:
        self._console.print(
            f"{datetime.now().astimezone():%H:%M:%S} {display.visible(text)}", markup=False, soft_wrap=True
        )


class Bars:
    """Drawn again several times a second, so that time is seen to pass between two answers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._run: Mapping[str, Any] | None = None
        self._note: str | None = None
        self._spinner = Spinner("dots")

    def show(self, run: Mapping[str, Any]) -> None:
        self._run = run

    def note(self, text: str | None) -> None:
        self._note = text

    def render(self) -> RenderableType:
        """What the terminal shows now."""
        if self._run is None:
            return Text(self._note or "Asking the service ...", style="dim")
        parts: list[RenderableType] = [self._head(self._run), self._table(self._run)]
        parts += [Text(wish, style="bold") for wish in needed(self._run)]
        if self._note:
            parts.append(Text(self._note, style="yellow"))
        return Group(*parts)

    def _head(self, run: Mapping[str, Any]) -> RenderableType:
        head = Table.grid(padding=(0, 1))
        title = Text.assemble((f"{run['pipeline']} v{run['version']}", "bold"), "  ", display.state(run["state"]))
        title.append(f"  {_since(run['created_at'])}  {run['id']}", style="dim")
        title.no_wrap, title.overflow = True, "ellipsis"
        head.add_row(self._spinner, title)
        return head

    def _table(self, run: Mapping[str, Any]) -> Table:
        table = Table.grid(padding=(0, 2))
        width = self._console.width
        for column in _columns(width):
            table.add_column(no_wrap=True, overflow="ellipsis", **column)
        several = fanned_out(run)
        shown, hidden = _fitting(newest(run), self._console.height - 5)
        for task in shown:
            table.add_row(display.step_name(task, several), *_cells(task, width))
        if hidden:
            table.add_row(Text(f"and {hidden} more", style="dim"))
        return table


def _columns(width: int) -> list[dict[str, Any]]:
    step: dict[str, Any] = {"max_width": 24}
    ending: list[dict[str, Any]] = [
        {"width": BAR},
        {"justify": "right", "width": 5},
        {"justify": "right"},
        {"ratio": 1},
    ]
    return [step, *([{}] if width >= TIGHT else []), *([{}] if width >= ROOMY else []), *ending]


def _cells(task: Task, width: int) -> list[RenderableType]:
    progress = 100 if task["state"] == "succeeded" else int(task.get("progress") or 0)
    pulse = task["state"] not in OVER and progress == 0
    bar = ProgressBar(total=100, completed=progress, pulse=pulse, width=BAR, finished_style=_finish(task))
    spent = _since(task.get("submitted_at") or task.get("created_at"), task.get("finished_at"))
    action = [task["action"]] if width >= TIGHT else []
    account = [display.account_of(task)] if width >= ROOMY else []
    return [*action, *account, bar, f"{progress} %", spent, _standing(task)]


def _finish(task: Task) -> str:
    return "green" if task["state"] == "succeeded" else "red"


def _fitting(tasks: list[Task], room: int) -> tuple[list[Task], int]:
    """As many as there is room for, those that are under way before those that are over; and how many are left."""
    if len(tasks) <= room:
        return tasks, 0
    wanted = sorted(range(len(tasks)), key=lambda at: (tasks[at]["state"] in OVER, at))[: max(1, room)]
    return [tasks[at] for at in sorted(wanted)], len(tasks) - len(wanted)


def _standing(task: Task) -> Text:
    """The state, and what it waits for or why it failed."""
    text = display.state(task["state"])
    detail = display.said(task.get("error")) if task["state"] == "failed" else task.get("waiting_for")
    return Text.assemble(
        text, (f": {detail}", "") if detail and task["state"] not in {"succeeded", "cancelled"} else ""
    )


def _at(task: Task) -> str:
    account = display.account_of(task)
    return f" at {account}" if account else ""


def _since(start: str | None, end: str | None = None) -> str:
    if not start:
        return ""
    until = display.moment(end) if end else datetime.now(UTC)
    return display.clock((until - display.moment(start)).total_seconds())
