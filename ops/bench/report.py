"""The figures as a table that fits a terminal, each beside what it is measured against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ops.bench.figures import Series
from ops.bench.history import FEW, MANY, History
from ops.bench.overload import CALLERS, READERS, Overload
from ops.bench.receiver import CONNECTIONS, Receiver
from ops.bench.runs import IN_FLIGHT, Runs
from ops.bench.waits import WAITING, Waits


@dataclass(frozen=True, slots=True)
class Report:
    """machine: what ran it. memory: MB of each idle process. A part that was left out is None."""

    machine: Mapping[str, Any]
    memory: Mapping[str, float]
    receiver: Receiver | None
    runs: Runs | None
    history: History | None
    overload: Overload | None
    waits: Waits | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The table."""
        yield ", ".join(f"{name} {value}" for name, value in self.machine.items())
        yield from _receiver(self.receiver) if self.receiver else ()
        yield from _runs(self.runs) if self.runs else ()
        yield from _history(self.history) if self.history else ()
        yield from _overload(self.overload) if self.overload else ()
        yield from _waits(self.waits) if self.waits else ()
        yield from _memory(self)


def _receiver(one: Receiver) -> Iterator[str]:
    yield _title(f"Receiver, {CONNECTIONS} keep-alive connections, 1 kB bodies, each ends a task of its own")
    yield _row("accepted, per second", _series(one.rate), f"p50 {one.times.p50:.1f}, p99 {one.times.p99:.1f} ms")
    blank = one.blank_times
    yield _row("same server, empty handler", _series(one.blank), f"p50 {blank.p50:.1f}, p99 {blank.p99:.1f} ms")
    yield _row("pgbench, same SQL function", _series(one.database), "")
    yield _row("share of the lower ceiling", _series(one.share, 2), "aim 0.7")


def _runs(one: Runs) -> Iterator[str]:
    yield _title("Runs of three callbacks, instant provider")
    yield _row(f"runs per second, {IN_FLIGHT} in flight", f"{one.rate:.0f}", "aim 200")
    yield _row(
        "a chain written by hand, without guarantees", f"{one.chain:.0f}", f"ours is {one.rate / one.chain:.2f} of it"
    )
    for name, gap, aim in (("4 runs a second", one.idle, "aim p95 50"), (f"{IN_FLIGHT} in flight", one.busy, "")):
        yield _row(f"callback to next submit, ms, {name}", f"p50 {gap.p50:.1f}, p95 {gap.p95:.1f}", aim)
    spent = ", ".join(f"{name} {time:.1f}" for name, time in one.cpu.items())
    yield f"  CPU per callback and what follows, ms: {spent}"


def _history(one: History) -> Iterator[str]:
    yield _title("One callback in the database, microseconds")
    yield _row(f"with {FEW:,} stored / with {MANY:,}", f"{one.few:.0f} / {one.many:.0f}", "aim: the same")


def _overload(one: Overload) -> Iterator[str]:
    yield _title(f"A flood of API reads, {READERS} connections without a pause, beside {CALLERS} of callbacks")
    for name, rate, spent in (("alone", one.calm_rate, one.calm), ("in the flood", one.flooded_rate, one.flooded)):
        note = f"p50 {spent.p50:.1f}, p99 {spent.p99:.1f} ms"
        yield _row(f"callbacks accepted per second, {name}", f"{rate:.0f}", note)
    yield _row("reads per second, four in peace", f"{one.peaceful:.0f}", "")
    shares = f"answered {one.answered:.0f}, refused {one.shed:.0f}"
    yield _row("reads asked for per second", f"{one.asked:.0f}", shares)
    yield _row("MB before / in / after", f"{one.before:.0f} / {one.during:.0f} / {one.after:.0f}", "")
    yield _row("of the first 100 reads afterwards, answered", f"{one.recovered}", "aim 100")


def _waits(one: Waits) -> Iterator[str]:
    yield _title(f"A pass of the sweep, {WAITING:,} tasks waiting, milliseconds")
    yield _row("nothing due", f"{one.idle:.0f} (at most {one.idle_longest:.0f})", "aim 1000")
    yield _row("all due, a portion taken", f"{one.busy:.0f} (at most {one.busy_longest:.0f})", "aim 1000")
    yield _row("MB that such a pass needs", f"{one.memory:.1f}", "")


def _memory(report: Report) -> Iterator[str]:
    yield _title("Memory, MB (shared pages counted once)")
    yield _row("`orchestrator up`, idle", f"{sum(report.memory.values()):.0f}", "aim 700")
    yield "  " + ", ".join(f"{name} {size:.0f}" for name, size in report.memory.items())
    if report.receiver:
        yield _row(
            "receiver before / after its load", f"{report.receiver.idle:.0f} / {report.receiver.loaded:.0f}", "aim 150"
        )
    if report.runs:
        yield _row("web / worker after the runs", f"{report.runs.web:.0f} / {report.runs.worker:.0f}", "")


def _title(text: str) -> str:
    return f"\n{text}"


def _row(name: str, value: str, note: str) -> str:
    return f"  {name:<46} {value:>24}   {note}".rstrip()


def _series(one: Series, digits: int = 0) -> str:
    return f"{one.median:,.{digits}f} ({one.least:,.{digits}f} to {one.most:,.{digits}f})"
