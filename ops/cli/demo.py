"""``make demo``: everything on embedded defaults with the provider emulator, and one run of the shipped pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from ops.cli.assembly import assemble
from ops.cli.failures import INTERRUPTED, USAGE
from ops.cli.stack import Stack
from ops.cli.up import FOLDER, PORT, greeting
from ops.embedded.postgres import EmbeddedError
from ops.supervisor import AlreadyRunning, Supervisor, SupervisorError
from orchestrator.errors import ConfigError

PROMPT = "a lighthouse on a cliff at dawn, oil painting --ar 1:1"


class Misconfigured(click.ClickException):
    """As the root of ``orchestrator`` ends its commands, of which this is none."""

    exit_code = USAGE


@click.command()
@click.option("--exit", "leave", is_flag=True, help="Stop everything when the run is over; status 0 if it succeeded.")
@click.option(
    "--port", type=PORT, default=8080, show_default=True, help="Of the receiver and the API; +1 dashboard, +2 emulator."
)
@click.option("--home", type=FOLDER, help="Data folder [ORCHESTRATOR_HOME].")
@click.option("--prompt", default=PROMPT, show_default=True)
@click.option("--pipeline", default="hero-image", show_default=True)
@click.option("--chaos", default="", help="Hostility of the emulator: 'hostile', or e.g. 'duplicate=0.2,drop=0.1'.")
@click.option("--verbose", is_flag=True, help="Show the processes' lines too.")
def demo(leave: bool, port: int, home: Path | None, prompt: str, pipeline: str, chaos: str, verbose: bool) -> None:
    """Start everything, run the shipped pipeline on a sample prompt, and stay up until Ctrl-C."""
    try:
        stack = assemble(os.environ, demo=True, port=port, home=home, chaos=chaos)
        click.echo(greeting(stack) + "\n")
        supervisor = Supervisor(stack.home, stack.services(), address=stack.url, quiet=not verbose)
        status = supervisor.run(then=lambda: _sample(stack, pipeline, prompt, leave=leave))
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
    except (AlreadyRunning, SupervisorError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _sample(stack: Stack, pipeline: str, prompt: str, *, leave: bool) -> int | None:
    """One run, as a user would start it; its exit status if the demo is to end with it."""
    command = [sys.executable, "-m", "ops.cli.main", "--url", stack.url, "run", pipeline, "-i", f"prompt={prompt}"]
    click.echo(f"$ orchestrator run {pipeline} -i prompt='{prompt}'")
    status = subprocess.run(command, env=stack.environment(), check=False).returncode  # noqa: S603 - our own program
    if leave:
        return status
    if status == INTERRUPTED:  # Ctrl-C reached the supervisor as well
        return None
    dashboard = f"http://127.0.0.1:{stack.dashboard_port}"
    click.echo(f"\nStill running: {stack.url}/docs and the dashboard at {dashboard}. Ctrl-C stops everything.")
    return None


if __name__ == "__main__":
    demo()
