"""The page that says what each provider can do is what the code says."""

from __future__ import annotations

from pathlib import Path

from ops.conformance import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "conformance.md").read_text(encoding="utf-8") == page(), (
        "python -m ops.conformance > docs/conformance.md"
    )
