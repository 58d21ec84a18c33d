"""``orchestrator run``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import rich_click as click

from ops.cli import display, inputs
from ops.cli.client import Answer, Client
from ops.cli.failures import Absent, Unreachable
from ops.cli.following import attend
from ops.cli.listing import json_option, pairs
from ops.cli.server import with_server

_SUFFIXES = (".yaml", ".yml", ".json")
_TRIES, _BETWEEN = 3, 0.5  # for opening the run; the key makes a repetition harmless


@click.command()
@click.argument("pipeline", metavar="PIPELINE|FILE")
@click.option("-i", "--input", "given", multiple=True, metavar="NAME=VALUE", help="An input; NAME=@FILE: from a file.")
@click.option("--input-file", type=click.Path(path_type=Path), metavar="FILE", help="Inputs as a JSON object.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", callback=pairs, help="Label the run.")
@click.option("--priority", type=click.IntRange(-1000, 1000), default=0, show_default=True, help="Higher goes first.")
@click.option("--account", multiple=True, metavar="NAME", help="In place of the pipeline's; several: tried in order.")
@click.option("--version", type=click.IntRange(1), help="Of the pipeline; default: the newest.")
@click.option("--idempotency-key", metavar="KEY", help="The same key again gives the same run.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the run to its end.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer; default: for ever.")
@json_option
@with_server
def run(
    client: Client,
    pipeline: str,
    given: tuple[str, ...],
    input_file: Path | None,
    version: int | None,
    account: tuple[str, ...],
    idempotency_key: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Open a run of a pipeline, and follow it to its end.

    A FILE is checked and stored first. Inputs have the types that the pipeline declares: `-i count=3`,
    `-i mask=@mask.png`, `-i tags=a -i tags=b`.
    """
    stored = _stored(client, pipeline, version)
    values = (inputs.from_file(input_file) if input_file else {}) | inputs.typed(
        given, stored["document"].get("inputs") or {}
    )
    body = {"pipeline": stored["name"], "version": stored["version"], "inputs": values, **rest}
    body |= {"account": account} if account else {}
    answer = _open(client, body, idempotency_key or f"cli-{uuid4()}")
    opened = answer.data
    if not as_json:
        click.echo(f"Run {opened['id']} of {stored['name']} version {stored['version']}{_former(answer)}", err=True)
    if wait:
        attend(client, opened["id"], timeout=timeout, as_json=as_json)
    elif as_json:
        display.show_json(opened)
    else:
        click.echo(opened["id"])
        display.hint(f"Follow it: orchestrator runs watch {opened['id']}")


def _former(answer: Answer) -> str:
    return " (opened before with this key)" if answer.status == 200 else ""


def _stored(client: Client, pipeline: str, version: int | None) -> dict[str, Any]:
    """The pipeline as the service has it; a file, or one that ships with the program, is stored first."""
    path = Path(pipeline)
    if path.is_file() or path.suffix in _SUFFIXES:
        if version:
            raise click.UsageError("--version is for a stored pipeline, not for a file")
        return _pushed(client, path)
    try:
        found: dict[str, Any] = client.get("v1", "pipelines", pipeline, version=version)
    except Absent as absent:
        return _shipped(client, pipeline, version, absent)
    return found


# The loader takes a third of a second to import; a stored pipeline needs none.


def _pushed(client: Client, path: Path) -> dict[str, Any]:
    from ops.cli import pipeline_files  # noqa: PLC0415 - see above

    document = pipeline_files.checked(path)
    return pipeline_files.push(client, document)


def _shipped(client: Client, name: str, version: int | None, absent: Absent) -> dict[str, Any]:
    from ops.cli import pipeline_files  # noqa: PLC0415 - see above

    document = None if version else pipeline_files.shipped(name)
    if document is None:
        raise absent
    return pipeline_files.push(client, document)


def _open(client: Client, body: dict[str, Any], key: str) -> Answer:
    """Open the run, once, however often it has to be asked for."""
    for _ in range(_TRIES - 1):
        try:
            return client.ask("POST", "v1", "runs", body=body, headers={"Idempotency-Key": key})
        except Unreachable:
            time.sleep(_BETWEEN)
    return client.ask("POST", "v1", "runs", body=body, headers={"Idempotency-Key": key})
