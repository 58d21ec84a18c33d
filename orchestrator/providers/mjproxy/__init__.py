"""midjourney-proxy, its -plus version, its relatives and the gateways before them. docs/providers.md says what is sent
and what the answers mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from orchestrator.config import Account
from orchestrator.core.events import Event, Refused, Sighting, SubmitOutcome
from orchestrator.providers.base import Capability, Order, Report
from orchestrator.providers.http import Transport
from orchestrator.providers.mjproxy import finding, lookups, ordering, reading, submitting
from orchestrator.providers.mjproxy.words import CAPABILITIES
from orchestrator.providers.outcomes import without_token


class MjProxy:
    """The dialect. Stateless but for its connections."""

    name = "mjproxy"
    actions: Mapping[str, Capability] = CAPABILITIES

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    def read(self, body: bytes) -> tuple[Event, ...]:
        """The events in a body delivered to notifyHook. Raises MalformedDelivery with ``fields``."""
        return reading.read(body)

    def check(self, account: Account, order: Order) -> None:
        """Raises InvalidInput when the order cannot be sent, above all when no button of the parent is its action."""
        ordering.plan_of(account, order)

    def submit(self, account: Account, order: Order, report: Report) -> SubmitOutcome:
        """Send the order once, and confirm the window that may open. Only what has no job to ask for is reported."""
        outcome = submitting.submit(self._transport, account, order, report)
        if isinstance(outcome, Refused):
            return replace(outcome, error=without_token(outcome.error, account))
        return outcome

    def fetch(self, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
        """What the provider says now about these jobs; at most 50 in one call. Raises ProviderError."""
        return lookups.fetch(self._transport, account, external_ids)

    def find(self, account: Account, order: Order) -> Sighting:
        """Look for the order among the provider's latest tasks. Raises ProviderError."""
        if order.action == "seed":
            return Sighting(absent=True)  # only a look-up, which may be repeated
        if order.action == "upload":
            return Sighting()  # no task is made of it
        return finding.sighting(lookups.latest(self._transport, account), order)

    def ping(self, account: Account) -> str:
        """Raises ProviderError when the provider is out of reach or does not take the token."""
        return lookups.ping(self._transport, account)
