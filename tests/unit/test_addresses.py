from __future__ import annotations

from ipaddress import ip_address

import pytest

from orchestrator.core.addresses import AddressPolicy, is_plain_host, is_public
from orchestrator.errors import ConfigError


@pytest.mark.parametrize("text", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_ordinary_internet_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
        "2002:a00:1::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
        "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_everything_else_is_not(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not AddressPolicy().permits("images.test", ip_address(text))


@pytest.mark.parametrize(
    ("entry", "host", "address", "permitted"),
    [
        ("emulator.internal", "emulator.internal", "10.1.2.3", True),
        ("Emulator.Internal.", "EMULATOR.internal.", "10.1.2.3", True),
        ("emulator.internal", "other.internal", "10.1.2.3", False),
        ("emulator.internal", "x.emulator.internal", "10.1.2.3", False),
        ("127.0.0.1", "any.test", "127.0.0.1", True),
        ("127.0.0.1", "any.test", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "any.test", "127.0.0.2", False),
        ("::ffff:127.0.0.1", "any.test", "127.0.0.1", True),
        ("10.0.0.0/8", "any.test", "10.200.0.1", True),
        ("10.0.0.7/8", "any.test", "10.200.0.1", True),
        ("10.0.0.0/8", "any.test", "11.0.0.1", True),  # public anyway
        ("10.0.0.0/8", "any.test", "192.168.0.1", False),
        ("[::1]", "any.test", "::1", True),
        ("fd00::/8", "any.test", "fd12::1", True),
        ("fd00::/8", "any.test", "fe80::1", False),
    ],
)
def test_what_the_operator_allows(entry: str, host: str, address: str, permitted: bool) -> None:
    assert AddressPolicy.parse((entry,)).permits(host, ip_address(address)) is permitted


@pytest.mark.parametrize(
    "entry", ["", "http://a.test", "a.test:80", "*.test", "10.0.0.0/33", "10.0.0", "0x7f.1", "a b"]
)
def test_an_entry_that_is_neither_is_named(entry: str) -> None:
    with pytest.raises(ConfigError, match="ORCHESTRATOR_ALLOW_HOSTS") as caught:
        AddressPolicy.parse((entry,))
    assert repr(entry) in caught.value.message


@pytest.mark.parametrize(
    "host", ["a.test", "a_b.test", "localhost", "a.test.", "8.8.8.8", "[::1]", "[2606:4700::1111]"]
)
def test_plain_hosts(host: str) -> None:
    assert is_plain_host(host)


@pytest.mark.parametrize(
    "host",
    ["", ".", "2130706433", "127.1", "127.0.1", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "1.2.3.4.5", "a.0x",
     "256.1.1.1", "a..b", "-a.test", "a%2e.test", "[fe80::1%25eth0]", "[fe80::1%eth0]", "a/b", "a@b"],
)  # fmt: skip
def test_hosts_in_disguise(host: str) -> None:
    assert not is_plain_host(host)
