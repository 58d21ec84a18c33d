"""A home that others can look into is told of."""

from __future__ import annotations

from pathlib import Path

from ops.cli.checks.machine import check_home
from orchestrator.config import Config


def test_a_home_that_is_open_to_others_is_a_warning(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert list(check_home(Config(home=home))) == []
    home.mkdir(mode=0o700)
    assert list(check_home(Config(home=home))) == []
    home.chmod(0o755)
    [finding] = check_home(Config(home=home))
    assert finding.level == "warn"
    assert f"chmod 700 {home}" in str(finding.advice)
