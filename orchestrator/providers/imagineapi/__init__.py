"""ImagineAPI, which is Directus with a collection ``images``. docs/providers.md says what is sent and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.config import Account
from orchestrator.core.events import Event, Sighting, SubmitOutcome
from orchestrator.providers.base import Capability, Order, Report
from orchestrator.providers.http import Transport
from orchestrator.providers.imagineapi import finding, lookups, ordering, reading, singles, submitting
from orchestrator.providers.imagineapi.words import CAPABILITIES


class ImagineAPI:
    """The dialect. Stateless but for its connections."""

    name = "imagineapi"
    actions: Mapping[str, Capability] = CAPABILITIES

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport or Transport()

    def read(self, body: bytes) -> tuple[Event, ...]:
        """The events in a delivered body. Raises MalformedDelivery with ``fields``."""
        return reading.read(body)

    def check(self, account: Account, order: Order) -> None:
        """Raises InvalidInput when the order cannot be sent from this account, or the single image is not there."""
        if order.action == "upscale":
            singles.single(account, order)
        else:
            ordering.body_of(account, order)

    def submit(self, account: Account, order: Order, _report: Report) -> SubmitOutcome:
        """Create a row, once; an upscale is part of its grid's result already and calls nobody."""
        if order.action == "upscale":
            return singles.submit(account, order)
        return submitting.submit(self._transport, account, order)

    def fetch(self, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
        """What the provider says now about these jobs; at most 50 in one call. Raises ProviderError."""
        return lookups.fetch(self._transport, account, external_ids)

    def find(self, account: Account, order: Order) -> Sighting:
        """Look for the order's row by its ``ref``, else among the account's recent rows. Raises ProviderError."""
        if order.action == "upscale":
            name, event = singles.single(account, order)
            return Sighting(name, events=(event,))
        return finding.find(self._transport, account, order)

    def ping(self, account: Account) -> str:
        """Raises ProviderError when the provider is out of reach or does not take the token."""
        return lookups.ping(self._transport, account)
