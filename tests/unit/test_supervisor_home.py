"""The supervisor's file of the home folder: whatever it has become, it keeps nobody from starting."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ops.supervisor import running
from ops.supervisor.home import State, end_leftovers, owned

DAMAGED = [
    b"",
    b"\x00" * 64,
    b"\xff",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'{"services": null}',
    b'{"services": {"web": null, "worker": 7}}',
    b'{"services": {"web": {}}}',
    b'{"services": {"web": {"pid": 1, "created": null}}}',
    b'{"services": {"web": {"pid": "1", "created": 0.0}}}',
    b'{"services": {"web": {"pid": -1, "created": 0.0}}}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("left", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_tells_of_nothing_that_is_left(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "state.json").write_bytes(left)

    assert end_leftovers(tmp_path, patience=0.1) == []
    with owned(tmp_path, None) as owner:
        assert running(tmp_path) == {"pid": owner.pid, "since": owner.since, "address": None} | {
            "state": "starting",
            "services": {},
        }


def test_the_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "state.json").exists()))

    with owned(tmp_path, None) as owner:
        monkeypatch.setattr(os, "fsync", watched)
        State(tmp_path, owner, ["web"], print).write()

    assert synced == [((tmp_path / "state.json").stat().st_ino, False)]
    assert json.loads((tmp_path / "state.json").read_text())["services"].keys() == {"web"}
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
