"""Numbers: of samples, and of processes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds: the middle, and what 95 and 99 in a hundred stay under."""

    p50: float
    p95: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Series:
    """One figure measured several times: the median counts, the rest says how calm the machine was."""

    median: float
    least: float
    most: float


def times(milliseconds: Iterable[float]) -> Times:
    found = sorted(milliseconds)
    return Times(percentile(found, 0.5), percentile(found, 0.95), percentile(found, 0.99), len(found))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank; NaN of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def series(values: Iterable[float]) -> Series:
    found = list(values)
    return Series(statistics.median(found), min(found), max(found))


def resident(pid: int) -> float:
    """Megabytes of a process and its descendants: the proportional share where the kernel tells it, so that memory
    which they share counts once."""
    return sum(_own(process) for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)))


def busy(pid: int) -> float:
    """Seconds of CPU that a process and its living descendants have used."""
    found = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(one.cpu_times().user + one.cpu_times().system for one in found)


def _own(process: psutil.Process) -> float:
    try:
        facts = process.memory_full_info()
        return float(getattr(facts, "pss", facts.rss)) / 1e6
    except psutil.AccessDenied:
        return float(process.memory_info().rss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0
