"""AceData's Midjourney API. docs/providers.md says what is sent and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.config import Account
from orchestrator.core.events import Event, Sighting, SubmitOutcome
from orchestrator.providers.acedata import finding, lookups, ordering, reading, submitting
from orchestrator.providers.acedata.words import CAPABILITIES, TEXTS
from orchestrator.providers.base import Capability, Order, Report
from orchestrator.providers.http import Transport


class AceData:
    """The dialect. Stateless but for its connections."""

    name = "acedata"
    actions: Mapping[str, Capability] = CAPABILITIES

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    def read(self, body: bytes) -> tuple[Event, ...]:
        """The events in a delivered body. Raises MalformedDelivery with ``fields``."""
        return reading.read(body)

    def check(self, account: Account, order: Order) -> None:
        """Raises InvalidInput when the order cannot be sent from this account."""
        ordering.body_of(account, order)

    def submit(self, account: Account, order: Order, report: Report) -> SubmitOutcome:
        """Send the order once, in the way of waiting that the account and the order's callback_url say."""
        return submitting.submit(self._transport, account, order, report)

    def fetch(self, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
        """What the provider says now about these jobs; at most 50 in one call. Raises ProviderError."""
        return lookups.fetch(self._transport, account, external_ids)

    def find(self, account: Account, order: Order) -> Sighting:
        """Look for the order among the account's recent tasks. Raises ProviderError."""
        body = ordering.body_of(account, order)
        if order.action in TEXTS:
            return Sighting()  # no list is known to have such calls, so none proves that one is missing
        listing = lookups.recent(self._transport, account, lambda so_far: finding.settled(so_far, order, body))
        return finding.sighting(listing, order, body)

    def ping(self, account: Account) -> str:
        """Raises ProviderError when the provider is out of reach or does not take the token."""
        return lookups.ping(self._transport, account)
