"""What another user of the machine sees of a running system: no secret in a command line, no file, no core dump."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.timeout(300)
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TOKEN = "a-token-of-the-tests"


@linux
def test_nobody_else_sees_a_secret_of_a_running_system_or_reaches_its_servers(make_world: Any) -> None:
    world = make_world("--instant", ACEDATA_TOKEN="another-token-of-the-tests")
    world.launch(1)
    world.finished()
    secrets = {name: (world.home / name).read_text().strip() for name in ("secret", "api-token")}
    known = {*secrets.values(), TOKEN, "another-token-of-the-tests"}
    leader = psutil.Process(world.program.process.pid)
    processes = [leader, *leader.children(recursive=True)]
    assert {"web", "worker", "beat", "postgres", "broker"} <= set(world.pids())

    for process in processes:
        seen = " ".join(process.cmdline())
        assert not [secret for secret in known if secret in seen], f"`ps` shows it: {process.name()}"
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        (core,) = [line.split()[4] for line in limits if line.startswith("Max core file size")]
        assert core == "0", "a core dump would hold every secret"
    for process in processes[1:]:
        assert secrets["api-token"] not in str(process.environ()), "not even in an environment, hashed is enough"

    logs = "".join(path.read_text(errors="replace") for path in (world.home / "log").iterdir())
    told = logs + (world.home / "up.txt").read_text().replace(secrets["api-token"], "", 1)  # it is printed once
    assert not [secret for secret in known if secret in told]
    for path in [world.home, *world.home.iterdir()]:
        if path.name not in {"up.txt", "accounts.yaml"}:  # of this test's making
            assert _is_closed(path), path
    if os.geteuid() == 0:  # only root can become somebody else
        assert _reached_by_others(world, world.home.parents) == ["closed", "closed"]


def _is_closed(path: Path) -> bool:
    """Others cannot read it, or only the folder above keeps them out of what is no secret."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return not mode & 0o077 or path.name in {"archive", "supervisor.lock"}


def _reached_by_others(world: Any, folders: Sequence[Path]) -> list[str]:
    """What another user says of our servers' sockets, when the operator has opened the home and all above it."""
    sockets = [*(world.home / "postgres" / "run").glob(".s.PGSQL.*[0-9]"), world.home / "broker" / "broker.sock"]
    assert len(sockets) == 2
    script = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(12345); os.setuid(12345)\n"
        "for path in sys.argv[1:]:\n"
        "    try: socket.socket(socket.AF_UNIX).connect(path)\n"
        "    except PermissionError: print('closed')\n"
    )
    opened = [folder for folder in (world.home, *folders) if folder.stat().st_mode & 0o001 == 0]
    modes = [folder.stat().st_mode for folder in opened]
    try:
        for folder in opened:
            folder.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", script, *sockets], capture_output=True, text=True, check=True)
    finally:
        for folder, mode in zip(opened, modes, strict=True):
            folder.chmod(mode)
    return done.stdout.split()
