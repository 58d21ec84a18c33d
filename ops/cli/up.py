"""``orchestrator up``: everything in one terminal."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

import click

from ops.cli.assembly import assemble
from ops.cli.ports import LOOPBACK, url_of
from ops.cli.stack import Stack
from ops.embedded.postgres import EmbeddedError
from ops.supervisor import AlreadyRunning, Supervisor, SupervisorError

PORT = click.IntRange(1, 65_533)  # with room for the dashboard and the emulator


class Folder(click.Path):
    """A folder's path; an empty one (an unset variable, say) would mean the present folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("an empty path names no folder", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = Folder(path_type=Path)


@click.command()
@click.option("--demo", is_flag=True, help="Start a provider emulator too, and use it as the account acedata.")
@click.option(
    "--port", type=PORT, default=8080, show_default=True, help="Of the receiver and the API; +1 dashboard, +2 emulator."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--home", type=FOLDER, help="Data folder [ORCHESTRATOR_HOME].")
@click.option("--quiet", is_flag=True, help="Keep the processes' lines out of the terminal; HOME/log has them.")
def up(demo: bool, port: int, host: str, home: Path | None, quiet: bool) -> None:
    """Start everything in one terminal; Ctrl-C stops it."""
    try:
        stack = assemble(os.environ, demo=demo, port=port, host=host, home=home)
        click.echo(greeting(stack))
        _dump_no_core()
        status = Supervisor(stack.home, stack.services(), address=stack.url, quiet=quiet).run()
    except (AlreadyRunning, SupervisorError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _dump_no_core() -> None:
    """A dump of our processes would hold every secret; those that we start inherit this."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def greeting(stack: Stack) -> str:
    """What is about to start, and how to reach it."""
    accounts = ", ".join(sorted(stack.config.accounts)) or "none (set ACEDATA_TOKEN, or use --demo)"
    kept = f"(kept in {stack.home / 'api-token'}, where the commands of this machine find it)"
    token = f"{stack.own_token}   {kept}" if stack.own_token else "as in ORCHESTRATOR_API_TOKENS"
    lines = [
        f"API and receiver  {stack.url}   (documentation at {stack.url}/docs)",
        f"dashboard         {url_of(LOOPBACK, stack.dashboard_port)}",
        f"home              {stack.home}",
        f"API token         {token}",
        f"accounts          {accounts}",
    ]
    return "\n".join(lines)
