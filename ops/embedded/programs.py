"""Postgres' programs, run under the server's account.

As root the server runs under an existing unprivileged account. That account usually can't reach the home folder
(/root is closed), so it is handed open descriptors of its two folders and addresses them as /proc/self/fd/N: the data
stays in the home, where a backup or a volume expects it, and no mode of a foreign folder changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops.embedded.account import Account
from ops.embedded.binaries import major_version
from ops.embedded.failure import EmbeddedError
from ops.embedded.process import ENVIRONMENT, launch
from ops.embedded.socket_folder import short_path


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder that they are in, and the account they run as; None is our own."""

    binaries: Path
    account: Account | None

    @property
    def major(self) -> int:
        """Their version."""
        return major_version(self.binaries)

    def make(self, folder: Path) -> None:
        """Make a folder of the server's own."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)

    def serve(
        self, data: Path, sockets: Path, settings: Mapping[str, str], *, output: int | IO[bytes], die_with_parent: bool
    ) -> subprocess.Popen[bytes]:
        """Start the server's main process."""
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._reach(data, sockets if self._lends else short_path(sockets)) as ((folder, run), fds):
            return launch(
                [self.binaries / "postgres", "-D", folder, "-k", run, *options],
                output=output,
                account=self.account,
                keep_fds=fds,
                death_signal=signal.SIGINT if die_with_parent else None,
            )

    def ask(self, data: Path, statement: str) -> None:
        """Run one SQL statement without a server. Raises EmbeddedError."""
        self.run(data, "postgres", "--single", "postgres", said=statement + "\n")

    def run(self, data: Path, program: str, *options: str, said: str = "") -> None:
        """Run one on a data folder to its end. Raises EmbeddedError."""
        with self._reach(data) as ((folder,), fds):
            mode, rest = (options[:1], options[1:]) if options[0] == "--single" else ((), options)  # it must come first
            done = subprocess.run(  # noqa: S603  our own binary
                [self.binaries / program, *mode, "-D", folder, *rest],
                input=said,
                text=True,
                capture_output=True,
                cwd="/",
                env=ENVIRONMENT,
                pass_fds=fds,
                check=False,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        if done.returncode or "ERROR:" in done.stderr:
            raise EmbeddedError(
                f"{program} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}"
            )

    @property
    def _lends(self) -> bool:
        """Whether the server is handed its folders open."""
        return self.account is not None and sys.platform == "linux"

    @contextmanager
    def _reach(self, *folders: Path) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """The names under which the server's account reaches the folders, and the descriptors it must inherit."""
        if not self._lends:
            yield [str(folder) for folder in folders], ()
            return
        fds = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders]
        try:
            yield [f"/proc/self/fd/{fd}" for fd in fds], fds
        finally:
            for fd in fds:
                os.close(fd)
