"""This machine: the program and what it runs on, the home, disks, the archive, and what the home has running."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
from packaging.requirements import Requirement

from ops.cli.checks.finding import Finding
from ops.cli.settings import Here
from orchestrator.archive.storage import open_archive
from orchestrator.config import Config
from orchestrator.errors import OrchestratorError
from orchestrator.presence import program_version

OLDEST = (3, 11)
FULL, LOW = 64 * 2**20, 2**30  # bytes left on a disk: too few to go on, and few
FEW_FILES = 1000  # that a disk can still take
MANY = 3  # restarts of a process


def check_program(_config: Config) -> Iterator[Finding]:
    """Python and the libraries, against what the package asks for."""
    wrong = [f"Python {platform.python_version()}"] if sys.version_info < OLDEST else []
    wrong += list(_unfit_libraries())
    if wrong:
        advice = "install it anew: `pip install -e .` in an environment of Python 3.11 or newer"
        yield Finding("program", "fail", f"not what it needs: {', '.join(wrong)}", advice)
    else:
        yield Finding("program", "ok", f"version {program_version()} on Python {platform.python_version()}")


def _unfit_libraries() -> Iterator[str]:
    try:
        wanted = [Requirement(line) for line in requires("midjourney-orchestrator") or []]
    except PackageNotFoundError:  # run from a folder: then there is nothing to compare with
        return
    for one in wanted:
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield f"{one.name} is missing"
            continue
        if not one.specifier.contains(found, prereleases=True):
            yield f"{one.name} {found} ({one.specifier})"


def check_home(config: Config) -> Iterator[Finding]:
    if not config.home.exists():
        return
    if not os.access(config.home, os.W_OK):
        yield Finding("home", "fail", f"{config.home} is not writable", "correct its owner, or set ORCHESTRATOR_HOME")
    if config.home.stat().st_mode & 0o077:
        detail = f"{config.home} is open to other users of this machine; the archive in it is for them to read"
        yield Finding("home", "warn", detail, f"chmod 700 {config.home}, unless they shall")


def check_disks(config: Config) -> Iterator[Finding]:
    """Each disk once, by the first folder on it that is ours."""
    folders = {"home and spool": config.home / "spool"}
    parts = urlsplit(config.archive_url)
    if parts.scheme == "file":
        folders["archive"] = Path(unquote(parts.path))
    seen: set[int] = set()
    for name, folder in folders.items():
        place = next(one for one in (folder, *folder.parents) if one.exists())
        if place.stat().st_dev not in seen:
            seen.add(place.stat().st_dev)
            found = os.statvfs(place)
            yield judge_disk(name, place, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def judge_disk(name: str, place: Path, free: int, files: int | None) -> Finding:
    """free: bytes. files: that can still be made; None where there is no limit."""
    left = f"{free / 2**20:,.0f} MiB"
    advice = f"make room where {place} is; `orchestrator callbacks spool` shows what the spool has"
    if files is not None and files < FEW_FILES:
        return Finding("disk", "fail", f"{name}: room for {files} more files only", advice)
    if free < FULL:
        return Finding("disk", "fail", f"{name}: full, {left} are left", advice)
    return Finding("disk", "warn" if free < LOW else "ok", f"{name}: {left} are left", advice)


def check_archive(config: Config) -> Iterator[Finding]:
    if not config.home.exists() and config.archive_url.startswith(f"file://{config.home}/"):
        yield Finding("archive", "ok", f"{config.archive_url} is made with the home, by `orchestrator up`")
        return
    try:
        open_archive(config.archive_url).check()
    except OrchestratorError as error:
        yield Finding("archive", "fail", error.message, "correct ORCHESTRATOR_ARCHIVE_URL or the rights on it")
    else:
        yield Finding("archive", "ok", f"{config.archive_url} is writable")


def check_supervised(place: Here) -> Iterator[Finding]:
    """What ``orchestrator up`` has started here."""
    if place.state is None:
        return
    services = place.state["services"]
    away = [name for name, one in services.items() if one["pid"] and not _runs(one["pid"])]
    restless = [f"{name} ({one['restarts']} times)" for name, one in services.items() if one["restarts"] >= MANY]
    log = f"see {place.home / 'log'}; stop and start `orchestrator up`"
    if away:
        yield Finding("embedded servers", "fail", f"{', '.join(away)}: not running, or stopped", log)
    elif restless:
        yield Finding("embedded servers", "warn", f"started again and again: {', '.join(restless)}", log)
    else:
        yield Finding("embedded servers", "ok", f"{', '.join(services) or 'none yet'}: {place.state['state']}")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
