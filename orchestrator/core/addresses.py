"""Which network addresses may be reached on somebody else's word? Pure: a name and an address in, yes or no out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from orchestrator.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

# The only IPv6 space that is routed on the internet. Mapped, NAT64, unique-local, link-local, multicast are outside it.
GLOBAL_UNICAST = IPv6Network("2000::/3")

# Not "global" in fact, though some of the Python versions we support call them so; with them the ways to wrap an IPv4
# address in an IPv6 one that lie inside the global space.
NEVER_PUBLIC: tuple[Network, ...] = (
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT; clouds route it inside
    IPv4Network("168.63.129.16/32"),  # Azure's platform service, a public number that is answered by the hypervisor
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata service
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
INNER_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".localdomain")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses are reachable; others only if their host name or network was allowed by the operator."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, allow_hosts: Iterable[str]) -> Self:
        """From host names, addresses and CIDR networks. ConfigError names the entry that is none of these."""
        names: set[str] = set()
        networks: list[Network] = []
        for entry in allow_hosts:
            found = _network(entry)
            if found is not None:
                networks.append(found)
            else:
                names.add(_name(entry))
        return cls(frozenset(names), tuple(networks))

    def permits(self, host: str, address: Address) -> bool:
        """May ``address``, to which ``host`` resolved just now, be connected to?"""
        plain = unmapped(address)
        return is_public(plain) or canonical(host) in self.names or any(plain in network for network in self.networks)

    def may_be_named(self, host: str) -> bool:
        """May ``host`` be named to somebody who will fetch from it himself? Names are not resolved: it is his network.

        Not: private addresses, disguised ones, and names that mean something inside a network only.
        """
        bare = canonical(host)
        if bare in self.names:
            return True
        address = _address(bare)
        if address is not None and is_plain_host(host):
            return self.permits(host, address)
        inner = "." not in bare or bare.endswith(INNER_NAMES)
        return is_plain_host(host) and not inner


def is_public(address: Address) -> bool:
    """Is this an ordinary unicast address of the internet (IPv4-mapped ones are judged by the IPv4 address)?"""
    plain = unmapped(address)
    if any(plain in network for network in NEVER_PUBLIC) or plain.is_multicast or plain.is_reserved:
        return False
    return plain.is_global and (plain.version == 4 or plain in GLOBAL_UNICAST)


def unmapped(address: Address) -> Address:
    """The IPv4 address inside ``::ffff:a.b.c.d``, else the address itself."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def canonical(host: str) -> str:
    """Lower case, no brackets, no final dot."""
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def is_plain_host(host: str) -> bool:
    """Is this a host name, a dotted quad or a bracketed IPv6 address, written in the one usual way?

    Numbers that resolvers also take (``2130706433``, ``0x7f.1``, ``0177.0.0.1``, ``127.1``) and IPv6 zones are not.
    """
    bare = canonical(host)
    if ":" in bare:
        return "%" not in bare and _address(bare) is not None
    if re.fullmatch(r"\d+|0x[0-9a-f]*", bare.rpartition(".")[2]):
        return _address(bare) is not None
    return HOST_NAME.fullmatch(bare) is not None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(entry: str) -> Network | None:
    try:
        network = ip_network(canonical(entry.strip()), strict=False)
    except ValueError:
        return None
    mapped = unmapped(network.network_address)
    return ip_network(mapped) if mapped.version != network.version and network.prefixlen == 128 else network


def _name(entry: str) -> str:
    name = canonical(entry.strip())
    if is_plain_host(name):
        return name
    raise ConfigError(
        f"ORCHESTRATOR_ALLOW_HOSTS: {entry!r} is not allowed; give host names (example.internal), "
        "addresses (127.0.0.1, ::1) or networks (10.0.0.0/8), without scheme, port or wildcard."
    )
