"""`python -m ops.emulator`: a provider to practise with."""

from __future__ import annotations

import secrets
from typing import Any

import click

from ops.emulator.chaos import KINDS, parse
from ops.emulator.imagineapi_options import BOT_STATUSES, ImagineOptions
from ops.emulator.mjproxy_options import LAYERS, MjOptions
from ops.emulator.options import Options
from ops.emulator.server import serve


def _token(text: str) -> tuple[str, str]:
    name, equals, secret = text.partition("=")
    return (name, secret) if equals else (f"token-{len(text)}", text)


def _chaos(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _own(wishes: dict[str, Any], dialect: str) -> dict[str, Any]:
    """The options of one dialect, taken out of all."""
    prefix = f"{dialect}_"
    return {key.removeprefix(prefix): wishes.pop(key) for key in list(wishes) if key.startswith(prefix)}


@click.command(epilog="Chaos kinds: " + "; ".join(f"{kind}: {what}" for kind, what in KINDS.items()))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Port to listen on; 0: a free one."
)
@click.option("--seed", default=None, type=int, help="Decides ids, pictures and chaos; default: a new one each time.")
@click.option("--chaos", default="", callback=_chaos, help="kind=probability,... or 'hostile'.")
@click.option("--chaos-delay", default=3.0, show_default=True, help="Seconds by which chaos delays, about.")
@click.option("--hang", default=30.0, show_default=True, help="Seconds an ambiguous submit is answered late.")
@click.option("--latency", default=20.0, show_default=True, help="Seconds a typical generate takes.")
@click.option("--instant", is_flag=True, help="No latency; callbacks follow the answer at once.")
@click.option("--image-size", default=2048, show_default=True, help="Pixels of a square grid's side.")
@click.option("--small", is_flag=True, help="Small pictures: --image-size 256.")
@click.option("--url-lifetime", default=86400, show_default=True, help="Seconds a signed URL lives.")
@click.option("--url-style", type=click.Choice(["signed", "cdn"]), default="signed", show_default=True)
@click.option("--public-url", default=None, help="Address in asset URLs; default: the one the client used.")
@click.option(
    "--token", "tokens", multiple=True, help="A bearer token, or name=token; repeatable. Default: any will do."
)
@click.option("--concurrency", default=0, help="Jobs in flight per token; default 5, or no limit with --instant.")
@click.option("--concurrency-code", default="too_many_requests", show_default=True, help="Error code of that 429.")
@click.option("--quota", default=None, type=int, help="Paid jobs until used_up; default: no limit.")
@click.option("--mj-layer", default="plus", show_default=True, help="midjourney-proxy as in: " + ", ".join(LAYERS))
@click.option("--mj-queue", default=10, show_default=True, help="Its tasks that may wait in line for a slot.")
@click.option("--mj-remix", is_flag=True, help="Its account has Remix on: reroll, vary and pan open a window.")
@click.option("--mj-notify", is_flag=True, help="Its gateway passes notifyHook on.")
@click.option("--mj-account-filter", is_flag=True, help="Its gateway passes accountFilter on.")
@click.option("--mj-numeric-result", is_flag=True, help="Its submits answer the task id as a number.")
@click.option("--mj-long-ids", is_flag=True, help="Its task ids have 17 digits.")
@click.option("--mj-poll", default=15.0, show_default=True, help="Seconds between its gateway's looks at a task.")
@click.option("--mj-timeout", default=300.0, show_default=True, help="Seconds until java gives a task up; 0: never.")
@click.option("--mj-balance-code", default=4, show_default=True, help="Its gateway's code for used-up quota: 4 or 25.")
@click.option("--imagineapi-webhook", "imagineapi_webhooks", multiple=True, help="URL for row changes; repeatable.")
@click.option("--imagineapi-ref/--imagineapi-no-ref", default=True, help="Its rows have a ref; the open source's none.")
@click.option("--imagineapi-queued", is_flag=True, help="Its rows that wait for the bot say queued, not pending.")
@click.option(
    "--imagineapi-images", default=None, type=int, help="Rows a user may have, as a demo account; default: any."
)
@click.option("--imagineapi-bot-status", type=click.Choice(BOT_STATUSES), default="healthy", show_default=True)
def main(
    host: str, port: int, seed: int | None, small: bool, image_size: int, tokens: tuple[str, ...], **rest: Any
) -> None:
    """Emulate the provider's API, pictures and callbacks included."""
    size = 256 if small else image_size
    seed = secrets.randbelow(10**6) if seed is None else seed
    own = {dialect: _own(rest, dialect) for dialect in ("mj", "imagineapi")}
    shared: dict[str, Any] = {"seed": seed, "image_size": size, "tokens": tuple(map(_token, tokens)), **rest}
    try:
        options = Options(mj=MjOptions(**own["mj"]), imagineapi=ImagineOptions(**own["imagineapi"]), **shared)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        serve(host, port, options)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


if __name__ == "__main__":
    main()
