"""``orchestrator pipelines``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich_click as click
import yaml

from ops.cli import display, pipeline_files
from ops.cli.client import Client
from ops.cli.failures import Refused, failure_of
from ops.cli.listing import Item, json_option, list_options, show_list
from ops.cli.server import with_server
from ops.cli.settings import settings
from orchestrator import loader
from orchestrator.errors import InvalidPipeline
from orchestrator.providers import dialect


@click.group()
def pipelines() -> None:
    """Pipelines: inputs and a graph of steps, in YAML or JSON."""


@pipelines.command("list")
@list_options
@with_server
def list_pipelines(client: Client, **options: Any) -> None:
    """List the pipelines that the service has, each in its newest version."""
    columns = ("NAME", "VERSION", "AGE", "DESCRIPTION")
    show_list(client, ("v1", "pipelines"), columns, _row, flexible=("DESCRIPTION",), **options)


def _row(stored: Item) -> tuple[display.Cell, ...]:
    return stored["name"], str(stored["version"]), display.age(stored["created_at"]), stored["description"]


@pipelines.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="Default: the newest.")
@json_option
@with_server
def show(client: Client, name: str, version: int | None, as_json: bool) -> None:
    """Print a pipeline's document as YAML."""
    stored = client.get("v1", "pipelines", name, version=version)
    if as_json:
        display.show_json(stored)
    else:
        click.echo(_as_yaml(stored["document"]), nl=False)


_WRITTEN = ("pipeline", "description", "inputs", "account", "labels", "steps")
_WRITTEN_INPUT = ("type", "required", "enum", "default")
_WRITTEN_STEP = ("action", "choose", "archive", "of", "by", "with")


def _as_yaml(document: dict[str, Any]) -> str:
    """As it is written by hand: the database keeps no order of keys, so steps are in the graph's."""
    steps = loader.parse(document).steps
    inputs = {name: _ordered(spec, _WRITTEN_INPUT) for name, spec in document.get("inputs", {}).items()}
    ordered = _ordered(document | ({"inputs": inputs} if inputs else {}), _WRITTEN)
    ordered["steps"] = {name: _ordered(document["steps"][name], _WRITTEN_STEP) for name in steps}
    return str(yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None))


def _ordered(value: Any, first: Sequence[str]) -> Any:
    return {key: value[key] for key in first if key in value} | value if isinstance(value, dict) else value


@pipelines.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--account/--no-account", default=True, help="Check against what the configured accounts can do.")
@json_option
def validate(files: tuple[Path, ...], account: bool, as_json: bool) -> None:
    """Check pipelines in files, without the service. Ends with 2 when one is not valid."""
    capabilities = _capabilities() if account else None
    verdicts = [_verdict(path, capabilities) for path in files]
    if as_json:
        display.show_json({"items": verdicts, "next": None})
    wrong = [one for one in verdicts if not one["valid"]]
    if not as_json:
        _print(verdicts)
    if wrong:
        raise Refused(f"{len(wrong)} of {len(files)} pipelines {'is' if len(wrong) == 1 else 'are'} not valid")


def _print(verdicts: list[dict[str, Any]]) -> None:
    for one in verdicts:
        said = "ok" if one["valid"] else one["message"]
        # A file that is not YAML is named by its message already, with line and column.
        click.echo(said if said.startswith(f"{one['file']}:") else f"{one['file']}: {said}", err=not one["valid"])
        for line in one.get("problems", ()):
            click.echo(f"  {line}", err=True)


def _verdict(path: Path, capabilities: pipeline_files.Capabilities | None) -> dict[str, Any]:
    try:
        document = pipeline_files.checked(path, capabilities)
    except InvalidPipeline as error:
        told = failure_of(error)
        message = told.message.removeprefix(f"{path}: ")
        return {
            "file": str(path),
            "valid": False,
            "message": message,
            "problems": list(told.lines),
            "errors": error.fields,
        }
    return {"file": str(path), "valid": True, "pipeline": document["pipeline"]}


def _capabilities() -> pipeline_files.Capabilities | None:
    """What the configured accounts can do; None when there are none here, so that nothing can be said of them."""
    accounts = settings().accounts
    return {name: frozenset(dialect(one.provider).actions) for name, one in accounts.items()} or None


@pipelines.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@json_option
@with_server
def push(client: Client, files: tuple[Path, ...], as_json: bool) -> None:
    """Check pipelines in files and store them; one that has not changed keeps its version."""
    documents = [pipeline_files.checked(path) for path in files]
    stored = [pipeline_files.push(client, document) for document in documents]
    if as_json:
        display.show_json({"items": stored, "next": None})
        return
    for path, one in zip(files, stored, strict=True):
        click.echo(f"{path}: {one['name']} version {one['version']}")
