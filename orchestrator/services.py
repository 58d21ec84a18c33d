"""What a process works with: configuration, database, broker, clock, and what is opened only by those who use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from orchestrator import expressions, loader, logs
from orchestrator.bodies import Bodies
from orchestrator.broker.application import make_app
from orchestrator.broker.nudges import Nudge
from orchestrator.broker.sender import Broker
from orchestrator.config import Config
from orchestrator.core.pipeline import Pipeline
from orchestrator.core.view import Expressions
from orchestrator.errors import ConfigError, DatabaseUnavailable
from orchestrator.in_hand import InHand
from orchestrator.providers import dialect
from orchestrator.providers.base import Dialect
from orchestrator.spool import Spool
from orchestrator.store import Connection, Database, accounts, health, pipelines
from orchestrator.store.runs import OpenRuns

if TYPE_CHECKING:
    from orchestrator.archive.storage import Archive
    from orchestrator.download import Downloader

log = structlog.get_logger(__name__)


class Services:
    """One per process. Close it when the process ends."""

    def __init__(
        self,
        config: Config,
        *,
        nudge: Nudge | None = None,
        pool: int = 8,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """clock: instead of the one that goes by the database's."""
        if not config.database_url:
            raise ConfigError("DATABASE_URL: needed here; `orchestrator up` starts a database of its own")
        if not config.secrets:
            raise ConfigError("ORCHESTRATOR_SECRET: needed to sign callback URLs; at least 16 characters")
        logs.hide(config.hidden())
        self.config = config
        self.id = uuid4()  # of this process
        self.db = Database(config.database_url, size=pool)
        self.now = clock or self.db.clock.now
        self.bodies = Bodies()
        self.spool = Spool(config.home / "spool", config.spool_size)
        self.nudge: Nudge = nudge or _broker(config)
        self.in_hand = InHand()
        self.expressions: Expressions = expressions
        self.open_runs = OpenRuns(config.max_open_runs)
        self._pipelines: dict[tuple[str, int], Pipeline] = {}
        self._fitting: set[tuple[str, int, tuple[str, ...]]] = set()

    def pipeline(self, connection: Connection, name: str, version: int) -> Pipeline:
        """A stored pipeline, parsed once per process: a version never changes."""
        key = (name, version)
        if key not in self._pipelines:
            document = pipelines.get_pipeline(connection, name, version)["document"]
            self._pipelines[key] = loader.parse(document, where=f"{name} version {version}")
        return self._pipelines[key]

    def check_fit(self, stored: Mapping[str, Any], accounts: tuple[str, ...]) -> None:
        """Whether the accounts of today can do a stored pipeline, on ``accounts`` instead of its own if there are any;
        asked once per process, for neither side changes. Raises InvalidPipeline."""
        key = (stored["name"], stored["version"], accounts)
        if key not in self._fitting:
            document = stored["document"] | ({"account": list(accounts)} if accounts else {})
            loader.parse(document, where=stored["name"], capabilities=self.capabilities())
            self._fitting.add(key)

    def dialect(self, account: str) -> Dialect:
        return dialect(self.config.account(account).provider)

    def capabilities(self) -> dict[str, frozenset[str]]:
        """For each account, the neutral actions that its dialect can do."""
        return {name: frozenset(dialect(one.provider).actions) for name, one in self.config.accounts.items()}

    def check_schema(self) -> None:
        """Raises DatabaseUnavailable when the database lacks migrations; warns of a later version's."""
        with self.db.connection() as connection:
            missing, unknown = health.missing_migrations(connection), health.unknown_migrations(connection)
        if missing:
            raise DatabaseUnavailable(f"the database lacks {', '.join(missing)}; run `orchestrator migrate`")
        if unknown:
            log.warning("version skew: the database's schema is of a later version", migrations=unknown)

    def put_accounts(self) -> None:
        """Make the stored accounts and slots agree with the configuration."""
        with self.db.connection() as connection:
            accounts.put_accounts(connection, self.config.accounts.values())

    # The receiver never touches images, so these libraries are loaded by the workers alone.

    @cached_property
    def archive(self) -> Archive:
        from orchestrator.archive.storage import open_archive  # noqa: PLC0415 - see above

        return open_archive(self.config.archive_url)

    @cached_property
    def downloader(self) -> Downloader:
        from orchestrator.download import Downloader  # noqa: PLC0415 - see above

        return Downloader(self.config.allow_hosts, self.config.max_image, timeout=20.0, total_timeout=120.0)

    def close(self) -> None:
        self.db.close()
        self.spool.close()
        if isinstance(self.nudge, Broker):
            self.nudge.close()


def _broker(config: Config) -> Broker:
    if not config.broker_url:
        raise ConfigError("BROKER_URL: needed here; `orchestrator up` starts a broker of its own")
    return Broker(make_app(config.broker_url))
