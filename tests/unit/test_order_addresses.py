"""What a provider is asked to fetch: public hosts, and what the operator allows."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order
from workers.addresses import check_addresses

INNER = [
    "http://127.0.0.1/a.png", "http://127.1/a.png", "http://2130706433/", "http://0x7f.0.0.1/", "http://0177.0.0.1/",
    "http://10.1.2.3:8080/", "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/", "http://168.63.129.16/",
    "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[fe80::1%25eth0]/", "http://[fd00::1]/",
    "http://localhost/", "http://localhost./", "HTTPS://LocalHost:9/", "http://a.localhost/", "http://db/", "http://x.internal/",
    "http://metadata.google.internal/", "http://printer.local/", "http://example.org@127.0.0.1/", "http://a:b@example.org/",
    "http:\\\\127.0.0.1\\a", "https:///127.0.0.1/", "http://１２７.0.0.1/", "http://127。0。0。1/", "http://",
]  # fmt: skip
OUTER = [
    "https://example.org/a.png",
    "http://93.184.215.14/a",
    "https://[2606:2800:21f::1]/",
    "https://a-b.example.org.:8/",
]


def order(**inputs: Any) -> Order:
    return Order(task_id=uuid4(), action="imagine", inputs=inputs)


@pytest.mark.parametrize("url", INNER)
def test_no_inner_address_is_handed_on(url: str) -> None:
    for given in ({"image": url}, {"images": ["https://example.org/a.png", url]}, {"prompt": f"{url} a fox --iw 2"}):
        with pytest.raises(InvalidInput) as refused:
            check_addresses(order(**given), ())
        assert next(reversed(given)) in refused.value.fields


@pytest.mark.parametrize(
    "front", ["data:", "data: ", "data:image/png;base64,QUJD ", "data:text/plain,", "data:image/svg+xml,<a "]
)
def test_nor_one_behind_something_that_begins_like_an_image(front: str) -> None:
    for text in (f"{front}http://127.0.0.1/a.png", f"{front}x 'http://db/'", f"data:http://[::1]/;base64,{front}"):
        with pytest.raises(InvalidInput):
            check_addresses(order(mask=text), ())


@pytest.mark.parametrize("url", OUTER)
def test_a_public_one_is(url: str) -> None:
    check_addresses(
        order(image=url, images=[url], prompt=f"{url} a fox, like (https://example.org). https: is no host"), ()
    )


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8"])
def test_and_what_the_operator_allows(allowed: str) -> None:
    check_addresses(order(image="http://127.0.0.1:9/a.png"), (allowed,))
    check_addresses(order(image="http://nas/a.png"), ("nas",))


def test_what_is_no_address_is_not_judged() -> None:
    check_addresses(
        order(mask="data:image/png;base64,aHR0cDovLzEyNy4wLjAuMS8=", prompt="a fox", seed=7, images=[1, None]), ()
    )
