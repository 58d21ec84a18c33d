"""What ``orchestrator doctor`` looks at: each check answers with findings, and a finding says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ops.cli.checks import broker, configuration, database, machine, providers, public, spool, together, work
from ops.cli.checks.finding import MEANING, Finding, Level, raise_failed
from ops.cli.settings import Here
from orchestrator.config import Config
from orchestrator.logs import masked

__all__ = ["CHECKS", "MEANING", "Finding", "Level", "check_all", "raise_failed"]

# In the order in which troubles are best mended.
CHECKS: Mapping[str, Callable[[Config], Iterator[Finding]]] = {
    "program": machine.check_program,
    "home": machine.check_home,
    "disk": machine.check_disks,
    "spool": spool.check,
    "secret": configuration.check_secret,
    "API tokens": configuration.check_api_tokens,
    "accounts": configuration.check_accounts,
    "database": database.check,
    "broker": broker.check,
    "archive": machine.check_archive,
    "public URL": public.check,
    "worker": together.check,
    "attention": work.check,
    "provider": providers.check,
}


def check_all(config: Config, place: Here | None = None) -> Iterator[Finding]:
    """Every finding. place: the home of this machine, if its own processes are to be looked at too."""
    if place:
        yield from machine.check_supervised(place)
    for subject, check in CHECKS.items():
        try:
            yield from check(config)
        except Exception as error:  # noqa: BLE001 - it is told, and the others are to be heard all the same
            detail = masked(f"it could not be looked at: {type(error).__name__}: {error}")
            yield Finding(subject, "fail", detail, "this is a mistake of the doctor's: please report it")
