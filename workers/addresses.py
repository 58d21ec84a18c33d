"""What a provider is asked to fetch: its network may be ours, and nobody's order is to lead it to an inner address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.addresses import AddressPolicy
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order

# As the address ends in a browser: "https://a@b/" names b, and so does "https:\\b".
_ADDRESS = re.compile(r"https?:[/\\\\]+([^\s/\\\\?#]*)", re.IGNORECASE)
_SIGNS = ".,;:!'\")>}"  # that stand behind an address in a sentence
_PORT = re.compile(r":\d*\Z")


def check_addresses(order: Order, allow_hosts: tuple[str, ...]) -> None:
    """Every URL in the order's inputs names a host that may be fetched from. Raises InvalidInput."""
    policy = AddressPolicy.parse(allow_hosts)
    for name, text in _texts(order.inputs):
        for found in _ADDRESS.finditer(text):
            host = _PORT.sub("", found[1].rstrip(_SIGNS))
            if not policy.may_be_named(host):
                said = f"{host[:100]!r} is not a public host; ORCHESTRATOR_ALLOW_HOSTS can allow it"
                raise InvalidInput(f"{order.action}: {name}: {said}", fields={name: [said]})


def _texts(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in inputs.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str):  # also an image in base64, which has no colon and so spells no address
                yield name, one
