"""Regular expressions over strangers' words: none takes longer than its text is long, whatever stands there.

A pattern that goes wild would run into the suite's time-out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from ops.cli.doctor import without_password
from ops.cli.failures import Refused
from ops.cli.inputs import typed
from ops.cli.main import root
from orchestrator import expressions, loader
from orchestrator.core.addresses import is_plain_host
from orchestrator.download import redact_url
from orchestrator.errors import InvalidExpression, InvalidInput, InvalidPipeline
from orchestrator.logs import masked, without_tokens
from orchestrator.providers.base import Order
from workers.addresses import check_addresses

LONG = 200_000
DIGITS = "9" * 5000
TEXTS = [
    "a" * LONG, "a." * LONG, "://" * LONG, "://:" + "a" * LONG, "://a:" * LONG, "://" + ":" * LONG, " " * LONG,
    "bearer " * LONG, "bearer" + " " * LONG, "/callbacks/" * LONG, "/callbacks/" + "a/" * LONG,
    "%2Fcallbacks%2F" * LONG, "callbacks%2F" + "a%2F" * LONG, "callbacks%2f" + "a" * LONG, "%" * LONG, "\\" * LONG,
    "https://" * LONG,
    "http:" + "/" * LONG, "-" * LONG, "password=" * LONG, "password='" + "\\" * LONG, "@" * LONG, "--iw" * LONG,
    "data:" * LONG, "\n" * LONG,
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_text_is_too_much_for_what_is_masked_redacted_and_judged(text: str) -> None:
    for read in (masked, without_tokens, without_password, redact_url, is_plain_host):
        read(text)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_text_is_too_much_for_an_order(text: str) -> None:
    with suppress(InvalidInput):
        check_addresses(Order(task_id=uuid4(), action="imagine", inputs={"prompt": text}), ())


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$"])
def test_a_pipelines_own_patterns_cannot_go_wild(pattern: str) -> None:
    text = {"inputs": {"text": "a" * 20_000 + "b"}}
    assert expressions.truth(f"${{inputs.text.matches('{pattern}')}}", text) is False


@pytest.mark.parametrize(
    "source", ["${" * 1000, "${'" + "\\" * 5000, "${" + "(" * 1900, '${"""' + '"' * 1900, "${" + "1+" * 900 + "1}"]
)
def test_no_expression_is_too_much_to_read(source: str) -> None:
    with suppress(InvalidExpression):
        expressions.references(source)


@pytest.mark.parametrize(
    "text", ["pipeline: " + "a" * 200_000, "? " * 100_000, "- " * 60_000, "&a " * 50_000, "#" * 200_000]
)
def test_no_document_is_too_much_to_read(text: str) -> None:
    with pytest.raises(InvalidPipeline):
        loader.parse(loader.read(text, "x"), where="x")


WORDS = [DIGITS, f"-{DIGITS}", f"[{DIGITS}]", f'{{"a": {DIGITS}}}', "[" * 5000, "1e999", "\ud800"]


@pytest.mark.parametrize("kind", ["integer", "number", "list", "object", "boolean"])
@pytest.mark.parametrize(
    "word", [DIGITS, f"-{DIGITS}", f"[{DIGITS}]", f'{{"a": {DIGITS}}}', "[" * 5000, "1e999", "\ud800"]
)
def test_no_word_of_the_command_line_ends_in_a_traceback(kind: str, word: str) -> None:
    declared: dict[str, Any] = {"x": {"type": kind}}
    with suppress(Refused):
        typed([f"x={word}"], declared)


@pytest.mark.parametrize(
    "arguments", [["--limit", DIGITS], ["--limit", "-1"], ["--cursor", "\x00"], ["--limit", "1e9"]]
)
def test_no_option_of_the_command_line_ends_in_a_traceback(arguments: list[str]) -> None:
    result = CliRunner().invoke(root, ["--url", "http://127.0.0.1:9", "--token", "x" * 16, "runs", "list", *arguments])
    assert result.exit_code in {2, 3}
    assert isinstance(result.exception, SystemExit)
