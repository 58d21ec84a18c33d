"""An export's file: there whole or not at all, whoever else writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.cli.evidence import write_evidence
from ops.cli.failures import Refused, Unreachable

LINES = (b'{"line": "run"}\n', b'{"line": "end"}\n')


def test_two_exports_to_one_file_are_both_done(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"

    def slowly() -> Iterator[bytes]:
        yield LINES[0]
        write_evidence(LINES, str(path))
        assert path.read_bytes() == b"".join(LINES)
        path.unlink()
        yield LINES[1]

    write_evidence(slowly(), str(path))

    assert path.read_bytes() == b"".join(LINES)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("missing", [(), LINES[:1]])
def test_of_an_export_that_broke_off_nothing_is_left(tmp_path: Path, missing: tuple[bytes, ...]) -> None:
    path = tmp_path / "run.ndjson"
    path.write_text("of before")
    with pytest.raises(Unreachable):
        write_evidence(missing, str(path))
    assert [one.read_text() for one in tmp_path.iterdir()] == ["of before"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"away/run\.ndjson cannot be written: No such file"):
        write_evidence(LINES, str(tmp_path / "away" / "run.ndjson"))
