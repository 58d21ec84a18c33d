"""``orchestrator``: the root command, and how every failure ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click
from click.exceptions import NoArgsIsHelpError

from ops.cli import display
from ops.cli.failures import INTERRUPTED, Failure, Interrupted, Refused, failure_of
from ops.cli.lazy import LazyGroup, Place
from orchestrator.errors import OrchestratorError

_WORK: dict[str, Place] = {
    "run": ("ops.cli.run:run", "Open a run, and follow it to its end."),
    "runs": ("ops.cli.runs:runs", "List, show, watch, cancel, retry, export and erase runs."),
    "tasks": ("ops.cli.tasks:tasks", "List, show, retry, choose and resolve tasks."),
    "callbacks": ("ops.cli.callbacks:callbacks", "List, show, replay, adopt and dismiss deliveries."),
    "attention": ("ops.cli.attention:attention", "List what wants a person, with the commands that mend it."),
    "pipelines": ("ops.cli.pipelines:pipelines", "List, show, validate and push pipelines."),
    "providers": ("ops.cli.providers:providers", "List, check and resume the providers' accounts."),
    "mask": ("ops.cli.mask:mask", "Draw and check masks for region redraws."),
}
_SERVICE: dict[str, Place] = {
    "up": ("ops.cli.up:up", "Start everything in one terminal."),
    "emulator": ("ops.emulator.__main__:main", "Start a provider to practise with."),
    "token": ("ops.cli.token:token", "Make tokens of the API."),
    "migrate": ("ops.cli.migrate:migrate", "Bring the database's schema up to date."),
    "prune": ("ops.cli.prune:prune", "Remove what has been kept long enough."),
    "doctor": ("ops.cli.doctor:doctor", "Show the configuration and check what it leads to."),
    "chaos": ("ops.cli.chaos:chaos", "Kill a whole system's processes, and check what is left."),
    "dashboard": ("ops.cli.dashboard:dashboard", "Say where the dashboard is."),
    "version": ("ops.cli.version:version", "Print the version."),
}


class Root(LazyGroup):
    """Turns every expected failure into one line on stderr and a status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _failures_told(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _failures_told(ctx):
            return super().invoke(ctx)


@contextmanager
def _failures_told(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except NoArgsIsHelpError:
        raise
    except OrchestratorError as error:
        status = _tell(failure_of(error))
    except Failure as failure:
        status = _tell(failure)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else ctx.command_path
        status = _tell(Refused(error.format_message(), hint=f"How it is used: {path} --help"))
    except click.ClickException as error:
        _tell(Failure(error.format_message()))
        status = error.exit_code
    except UnicodeEncodeError as error:  # an argument of bytes that are no text can be passed to us, but not on
        status = _tell(Refused(f"{ascii(error.object)[:200]} is not text in UTF-8"))
    except KeyboardInterrupt:
        click.echo("", err=True)
        status = INTERRUPTED
    else:
        return
    ctx.exit(status)


def _tell(failure: Failure) -> int:
    if not isinstance(failure, Interrupted):
        display.console(err=True).print("error: ", style="bold red", end="")
    click.echo(display.visible(failure.message), err=True)
    for line in failure.lines:
        click.echo(display.visible(f"  {line}"), err=True)
    for line in failure.hints:
        display.hint(f"  {line}")
    return failure.status


@click.group(
    cls=Root,
    places=_WORK | _SERVICE,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 success, 1 the run or task failed, 2 usage or refused, 3 the service is unreachable.",
)
@click.option("--url", envvar="ORCHESTRATOR_URL", help="Address of the service; default: the one that runs here.")
@click.option("--token", envvar="ORCHESTRATOR_TOKEN", help="API token; default: the one that `up` made, if it is here.")
@click.version_option(package_name="midjourney-orchestrator", message="%(version)s")
@click.command_panel("Work", commands=list(_WORK))
@click.command_panel("Service", commands=list(_SERVICE))
def root(url: str | None, token: str | None) -> None:
    """Jobs at Midjourney-style image APIs: pipelines, callbacks, retries, archive."""


def main() -> None:
    """The console script."""
    root(prog_name="orchestrator")


if __name__ == "__main__":
    main()
