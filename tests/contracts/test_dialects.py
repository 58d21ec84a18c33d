"""What every dialect has to do: its recorded payloads, its words, and outcomes on a network that fails."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from scripted_server import ScriptedServer, answer, close, hang, raw, scripted

from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS
from orchestrator.core.events import Ambiguous, Event, Refused
from orchestrator.errors import ConfigError, MalformedDelivery, ProviderError
from orchestrator.providers import DIALECTS, dialect
from orchestrator.providers.base import Dialect, Order

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOKEN = "token-that-must-not-be-seen"


def recorded(folder: str) -> list[Any]:
    files = [file for name in DIALECTS for file in sorted((FIXTURES / name / folder).glob("*"))]
    return [
        pytest.param(file.parts[-3], file, id=f"{file.parts[-3]}-{file.stem}")
        for file in files
        if not file.name.endswith(".events.json")
    ]


def expected(file: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((file.parent / f"{file.stem}.events.json").read_text())
    return events


def as_json(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    return [event.as_json() for event in events]


def silent(events: tuple[Event, ...], body: bytes) -> None:
    """A report that nobody reads."""


@pytest.fixture(params=sorted(DIALECTS))
def speaker(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture
def order() -> Order:
    return Order(
        task_id=UUID(int=7),
        action="imagine",
        inputs={"prompt": "a red fox"},
        callback_url="https://svc.example/callbacks/a/t",
        sent_at=datetime(2026, 11, 21, tzinfo=UTC),
        answer_timeout=5,
    )


def account_at(speaker: Dialect, url: str, **settings: Any) -> Account:
    return Account(name="main", provider=speaker.name, base_url=url, token=TOKEN, **settings)


@pytest.fixture
def deserted() -> Iterator[str]:
    """An address where nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# Words and payloads ------------------------------------------------------------------------------------


def test_a_dialect_is_found_by_its_name(speaker: Dialect) -> None:
    assert dialect(speaker.name) is speaker


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=f"'nobody'.*{', '.join(sorted(DIALECTS))}"):
        dialect("nobody")


def test_actions_and_their_inputs_are_neutral_words(speaker: Dialect) -> None:
    assert speaker.actions
    for name, capability in speaker.actions.items():
        assert capability.inputs <= ACTIONS[name].required | ACTIONS[name].optional
        assert capability.inputs >= ACTIONS[name].required


@pytest.mark.parametrize(("name", "file"), recorded("deliveries"))
def test_a_recorded_delivery_means_what_is_written_beside_it(name: str, file: Path) -> None:
    assert as_json(dialect(name).read(file.read_bytes())) == expected(file)


@pytest.mark.parametrize(("name", "file"), recorded("deliveries"))
def test_unknown_fields_of_a_delivery_are_kept(name: str, file: Path) -> None:
    *_, line = file.read_bytes().rstrip().rsplit(b"\n", 1) if file.suffix == ".ndjson" else [file.read_bytes()]
    (before,) = dialect(name).read(line)
    (after,) = dialect(name).read(json.dumps({**json.loads(line), "novelty": {"id": 2**62 + 1}}).encode())
    assert (after.kind, after.external_id, after.error) == (before.kind, before.external_id, before.error)
    assert after.result is not None
    assert after.result["extra"]["novelty"] == {"id": 2**62 + 1}


@pytest.mark.parametrize(("name", "file"), recorded("tasks"))
def test_a_recorded_look_up_means_what_is_written_beside_it(name: str, file: Path) -> None:
    ids = [event["external_id"] for event in expected(file)] or ["nobody"]
    with scripted(answer(200, file.read_bytes())) as server:
        assert as_json(dialect(name).fetch(account_at(dialect(name), server.url), ids)) == expected(file)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"[1]", b'"x"', b"{", b"\xff\xfe", b"<html>", b'{"a": NaN}', b"[" * 9999]
)
def test_what_is_no_delivery_is_called_malformed(speaker: Dialect, body: bytes) -> None:
    with pytest.raises(MalformedDelivery):
        speaker.read(body)


# A network that fails ----------------------------------------------------------------------------------


def test_a_refused_connection_is_known_not_to_have_sent_anything(speaker: Dialect, order: Order, deserted: str) -> None:
    outcome = speaker.submit(account_at(speaker, deserted), order, silent)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.account) == ("unreachable", True, False)


def test_an_unknown_host_is_known_not_to_have_sent_anything(speaker: Dialect, order: Order) -> None:
    outcome = speaker.submit(account_at(speaker, "http://nobody.invalid"), order, silent)
    assert isinstance(outcome, Refused)
    assert outcome.retry


def test_a_failed_tls_handshake_is_known_not_to_have_sent_anything(speaker: Dialect, order: Order) -> None:
    with scripted(close, greeting=b"this is not TLS\r\n") as server:
        outcome = speaker.submit(account_at(speaker, server.url.replace("http:", "https:")), order, silent)
    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(close, id="closed without an answer"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{"), id="cut short"),
        pytest.param(raw(b"nonsense\r\n\r\n"), id="not HTTP"),
        pytest.param(answer(200, b"<html>"), id="unreadable"),
        pytest.param(answer(200, {}), id="names no job"),
        pytest.param(answer(200, b"[" + b" " * (3 * 2**20)), id="too long"),
        pytest.param(answer(502, b"<html>"), id="a gateway's 502"),
        pytest.param(answer(504, b"<html>"), id="a gateway's 504"),
    ],
)
def test_a_request_that_may_have_arrived_is_ambiguous_and_sent_once(
    speaker: Dialect, order: Order, step: Any, stream: bool
) -> None:
    with scripted(step) as server:
        outcome = speaker.submit(
            account_at(speaker, server.url, stream=stream), replace(order, answer_timeout=0.3), silent
        )
        assert len(server.requests) == 1
    assert isinstance(outcome, Ambiguous)
    assert TOKEN not in outcome.reason


def test_a_late_answer_is_ambiguous(speaker: Dialect, order: Order) -> None:
    with scripted(hang) as server:
        outcome = speaker.submit(account_at(speaker, server.url), replace(order, answer_timeout=0.2), silent)
        assert len(server.requests) == 1
    assert outcome == Ambiguous("no answer within 0.2 s")


def test_a_redirect_is_not_followed(speaker: Dialect, order: Order) -> None:
    with scripted(answer(200, {})) as other, scripted(answer(307, Location=other.url)) as server:
        outcome = speaker.submit(account_at(speaker, server.url), order, silent)
        assert other.requests == []
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("unexpected_redirect", False)


def test_a_token_that_no_header_can_carry_is_not_sent_and_not_shown(speaker: Dialect, order: Order) -> None:
    with scripted(answer(200, {})) as server:
        account = replace(account_at(speaker, server.url), token=f"{TOKEN}\r\nX: y")
        outcome = speaker.submit(account, order, silent)
        assert server.requests == []
    assert isinstance(outcome, Refused)
    assert (outcome.account, outcome.retry) == (True, False)
    assert TOKEN not in str(outcome)


def test_a_connection_is_used_again(speaker: Dialect) -> None:
    with scripted(answer(200, {})) as server:
        for _ in range(3):
            speaker.ping(account_at(speaker, server.url))
        assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize("step", [close, answer(500, b""), answer(200, b"<html>"), answer(302), answer(401, {})])
def test_a_failed_look_up_says_so(speaker: Dialect, order: Order, step: ScriptedServer) -> None:
    with scripted(step) as server:
        account = account_at(speaker, server.url)
        for look in (
            lambda: speaker.fetch(account, ["1"]),
            lambda: speaker.find(account, order),
            lambda: speaker.ping(account),
        ):
            with pytest.raises(ProviderError) as raised:
                look()
            assert TOKEN not in str(raised.value)
