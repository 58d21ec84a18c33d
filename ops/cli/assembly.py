"""From the environment to what ``orchestrator up`` starts: the home, and what is kept and generated there."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ops.cli.ports import LOOPBACK, check_free, url_of
from ops.cli.stack import Stack
from ops.supervisor import running
from orchestrator.config import load
from orchestrator.config.api_tokens import hashed
from orchestrator.errors import ConfigError

DEMO_TOKEN = "demo-token-of-the-emulator"  # noqa: S105 - the emulator takes any
DEMO_ACCOUNTS = """accounts:
  - {{name: acedata, provider: acedata, base_url: "{url}", token: {token}, stream: true}}
"""
LEFTOVERS = 8.0  # seconds


def assemble(
    environment: Mapping[str, str],
    *,
    demo: bool,
    port: int,
    host: str = "127.0.0.1",
    home: Path | None = None,
    chaos: str = "",
) -> Stack:
    """The stack for these settings; makes the home folder, the signing secret and an API token when there are none."""
    base = dict(environment)
    if home:
        base["ORCHESTRATOR_HOME"] = str(home.absolute())
    base.setdefault("ORCHESTRATOR_PUBLIC_URL", url_of(host, port))
    folder = load(base).home
    try:
        made = _prepared(folder, base, demo=url_of(LOOPBACK, port + 2) if demo else None)
    except OSError as error:
        raise ConfigError(f"ORCHESTRATOR_HOME: {folder} cannot be used: {error}") from error
    base |= made
    own_token = _kept(folder / "api-token") if "ORCHESTRATOR_API_TOKENS" in made else None
    stack = Stack(config=load(base), host=host, port=port, demo=demo, base=base, chaos=chaos, own_token=own_token)
    _check_broker(stack.config.broker_url)
    _check_ports(stack)
    return stack


def _prepared(folder: Path, base: Mapping[str, str], *, demo: str | None) -> dict[str, str]:
    """Make the home and what it keeps; the variables that lead to it. demo: where the emulator will answer."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = running(folder)
    if owner:
        where = f" at {owner['address']}" if owner.get("address") else ""
        raise ConfigError(
            f"already running{where}: process {owner['pid']}, since {owner['since']}; stop it, or use --home"
        )
    found = {"ORCHESTRATOR_HOME": str(folder)}
    if not base.get("ORCHESTRATOR_SECRET"):
        found["ORCHESTRATOR_SECRET"] = _kept(folder / "secret")
    if not base.get("ORCHESTRATOR_API_TOKENS"):
        found["ORCHESTRATOR_API_TOKENS"] = f"local:admin:{hashed(_kept(folder / 'api-token'))}"
    if demo:
        # In the place of the user's own accounts: one of the same name would have the demo paid for.
        accounts = folder / "demo-accounts.yaml"
        accounts.write_text(DEMO_ACCOUNTS.format(url=demo, token=DEMO_TOKEN), encoding="ascii")
        found["ORCHESTRATOR_ACCOUNTS"] = str(accounts)
        found["ORCHESTRATOR_ALLOW_HOSTS"] = ",".join(filter(None, [base.get("ORCHESTRATOR_ALLOW_HOSTS"), LOOPBACK]))
    return found


def _kept(path: Path) -> str:
    """The secret in a file that only we can read; made when there is none, once, whoever is quicker."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as draft:  # mode 0600
            draft.write(secrets.token_urlsafe(32) + "\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text(encoding="ascii").strip()


def _check_broker(url: str | None) -> None:
    """Raises ConfigError for a transport that kombu has not; else the worker would end again and again."""
    if not url:
        return
    from kombu import Connection  # noqa: PLC0415 - an embedded broker needs none of it here

    try:
        Connection(url).get_transport_cls()  # as the worker will: redis+socket:// is a transport too
    except (KeyError, ImportError, ValueError) as error:
        raise ConfigError("BROKER_URL is not one that Celery can use; allowed: amqp://..., redis://...") from error


def _check_ports(stack: Stack) -> None:
    wanted = [("--port", stack.host, stack.port), ("dashboard", LOOPBACK, stack.dashboard_port)]
    wanted += [("emulator", LOOPBACK, stack.emulator_port)] if stack.demo else []
    # The processes of a start that was killed may still be ending, and their ports with them.
    check_free(wanted, patience=LEFTOVERS if (stack.home / "state.json").exists() else 0.0)
