"""pgbench: the database alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.bench.children import BenchError
from ops.embedded.binaries import find_binaries

_DONE = re.compile(r"number of transactions actually processed: (\d+)/(\d+)")
_RATE = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")


@dataclass(frozen=True, slots=True)
class Measured:
    """Transactions per second, and milliseconds of each."""

    rate: float
    milliseconds: list[float]


def program() -> Path:
    """pgbench beside the embedded server, else the system's. Raises BenchError."""
    bundled = find_binaries() / "pgbench"
    found = str(bundled) if bundled.is_file() else shutil.which("pgbench")
    if found is None:
        raise BenchError(
            "there is no pgbench: it comes with the embedded Postgres and with Debian's postgresql-contrib"
        )
    return Path(found)


def run(dsn: str, script: str, *, clients: int, transactions: int, folder: Path) -> Measured:
    """Run a script ``transactions`` times in all. Raises BenchError."""
    file = folder / "pgbench.sql"
    file.write_text(script)
    prefix = folder / "pgbench_log"
    argv = [str(program()), "--no-vacuum", "--protocol=prepared", f"--file={file}", f"--client={clients}"]
    argv += [f"--transactions={transactions // clients}", "--log", f"--log-prefix={prefix}", dsn]
    done = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ), check=False)  # noqa: S603 - a tool of Postgres
    count, rate = _DONE.search(done.stdout), _RATE.search(done.stdout)
    if done.returncode or not rate or not count or count[1] != count[2]:
        raise BenchError(f"pgbench failed: {(done.stderr or done.stdout).strip()[-800:]}")
    spent: list[float] = []
    for log in folder.glob("pgbench_log.*"):
        spent += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
        log.unlink()
    return Measured(float(rate[1]), spent)
