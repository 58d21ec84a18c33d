"""``orchestrator providers``."""

from __future__ import annotations

import rich_click as click
from rich.text import Text

from ops.cli import display
from ops.cli.client import Client
from ops.cli.failures import Failure, Refused, Unreachable
from ops.cli.listing import Item, json_option
from ops.cli.server import with_server
from ops.cli.settings import settings
from orchestrator.config import Account
from orchestrator.core.tokens import account_token
from orchestrator.errors import OrchestratorError
from orchestrator.providers import dialect


@click.group()
def providers() -> None:
    """Providers' accounts: who does the work, with how many slots."""


@providers.command("list")
@json_option
@with_server
def list_accounts(client: Client, as_json: bool) -> None:
    """List the accounts of the service; those configured here when it does not answer."""
    try:
        page = client.get("v1", "accounts")
    except Unreachable as failure:
        page = _configured(failure)
    if as_json:
        display.show_json(page)
    else:
        display.show_table(
            ("NAME", "PROVIDER", "SLOTS", "STATE"),
            [_row(one) for one in page["items"]],
            flexible=("STATE",),
            wrapped=True,
        )


def _row(account: Item) -> tuple[display.Cell, ...]:
    slots = f"{account['in_use']} of {account['slots']} in use" if "in_use" in account else str(account["slots"])
    return account["name"], account["provider"], slots, _standing(account)


def _standing(account: Item) -> display.Cell:
    if not account["configured"]:
        return "no longer configured"
    if not account.get("paused"):
        return display.state("ok")
    reason = f": {account['paused_reason']}" if account.get("paused_reason") else ""
    return Text.assemble(display.state("paused"), f", goes on {display.ago(account['paused_until'])}{reason}")


def _configured(failure: Unreachable) -> Item:
    """The accounts of the configuration, in the API's shape as far as it is known here."""
    accounts = settings().accounts.values()
    if not accounts:
        raise failure
    display.hint(f"{failure.message}; as configured here:")
    items = [{"name": one.name, "provider": one.provider, "slots": one.slots, "configured": True} for one in accounts]
    return {"items": items, "next": None}


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
        display.show_table(("", "NAME", "PROVIDER", "DETAIL"), rows, flexible=("DETAIL",), wrapped=True)
    failed = [one["name"] for one in found if one["level"] == "fail"]
    if failed:
        raise Failure(f"not usable: {', '.join(failed)}")


@providers.command()
@click.argument("name")
@json_option
@with_server
def resume(client: Client, name: str, as_json: bool) -> None:
    """End an account's pause, and give back slots that finished tasks hold."""
    account = client.post("v1", "accounts", name, "resume")
    if as_json:
        display.show_json(account)
    else:
        click.echo(display.visible(f"{account['name']}: {account['in_use']} of {account['slots']} slots in use"))


@providers.command()
@click.argument("name")
@json_option
def hook(name: str, as_json: bool) -> None:
    """Print the address to enter at a provider that has one hook for all jobs (ImagineAPI); treat it as a secret."""
    config = settings()
    config.account(name)
    if not config.secrets:
        raise Refused(
            "the signing secret is not known here", hint="Set ORCHESTRATOR_SECRET as the service has it, or start `up`."
        )
    url = config.callback_url(name, account_token(config.secrets, name))
    if as_json:
        display.show_json({"name": name, "url": url})
    else:
        click.echo(url)


def _checked(account: Account) -> dict[str, str]:
    about = {"name": account.name, "provider": account.provider}
    try:
        return about | {"level": "ok", "detail": dialect(account.provider).ping(account)}
    except OrchestratorError as error:
        return about | {"level": "fail", "detail": error.message}
