"""``orchestrator providers``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.client import Client
from ops.cli.failures import Failure, Refused, Unreachable
from ops.cli.listing import Item, json_option, list_options, show_list
from ops.cli.server import with_server
from ops.cli.settings import settings
from orchestrator.config import Account
from orchestrator.errors import OrchestratorError
from orchestrator.providers import dialect


@click.group()
def providers() -> None:
    """Providers' accounts: who does the work, with how many slots."""


@providers.command("list")
@list_options
@with_server
def list_accounts(client: Client, **options: Any) -> None:
    """List the accounts of the service; those configured here when it does not answer."""
    columns = ("NAME", "PROVIDER", "ADDRESS", "SLOTS", "STATE")
    try:
        show_list(client, ("v1", "accounts"), columns, _row, whole=(), **options)
    except Unreachable as failure:
        accounts = settings().accounts.values()
        if not accounts:
            raise
        click.secho(f"{failure.message}; as configured here:", dim=True, err=True)
        _show_configured(accounts, columns, as_json=options["as_json"])


def _row(account: Item) -> tuple[display.Cell, ...]:
    used = account.get("slots_used", account.get("in_flight"))
    slots = f"{used}/{account['slots']}" if used is not None else str(account["slots"])
    paused = account.get("paused_until")
    standing = display.state("paused") if paused else display.state("ok")
    return account["name"], account["provider"], account.get("base_url") or "", slots, standing


def _show_configured(accounts: Iterable[Account], columns: tuple[str, ...], *, as_json: bool) -> None:
    items = [
        {"name": one.name, "provider": one.provider, "base_url": one.base_url, "slots": one.slots} for one in accounts
    ]
    if as_json:
        display.show_json({"items": items, "next": None})
    else:
        display.show_table(columns[:-1], [_row(item)[:-1] for item in items], whole=())


@providers.command()
@click.argument("name", required=False)
@json_option
def check(name: str | None, as_json: bool) -> None:
    """Reach the configured accounts' providers and check the credentials; nothing is paid for."""
    config = settings()
    if not config.accounts:
        raise Refused(
            "no account is configured here",
            hint="Set ACEDATA_TOKEN or ORCHESTRATOR_ACCOUNTS as the service has it; `providers list` asks the service.",
        )
    accounts = [config.account(name)] if name else list(config.accounts.values())
    found = [_checked(account) for account in accounts]
    if as_json:
        display.show_json({"items": found, "next": None})
    else:
        rows = [(display.state(one["level"]), one["name"], one["provider"], one["detail"]) for one in found]
        display.show_table(("", "NAME", "PROVIDER", "DETAIL"), rows, whole=())
    failed = [one["name"] for one in found if one["level"] == "fail"]
    if failed:
        raise Failure(f"not usable: {', '.join(failed)}")


def _checked(account: Account) -> dict[str, str]:
    about = {"name": account.name, "provider": account.provider}
    try:
        return about | {"level": "ok", "detail": dialect(account.provider).ping(account)}
    except OrchestratorError as error:
        return about | {"level": "fail", "detail": error.message}
