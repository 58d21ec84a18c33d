"""The faults of a trial come from its seed alone."""

from __future__ import annotations

from itertools import islice

from click.testing import CliRunner

from ops.chaos.schedule import VICTIMS, faults
from ops.chaos.system import Servers
from ops.cli.chaos import chaos


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    first, again, other = (list(islice(faults(seed, 4.0), 50)) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_nobody_is_spared_and_the_faults_come_as_often_as_asked() -> None:
    struck = list(islice(faults(1, 4.0), 500))

    assert {fault.victim for fault in struck[: len(VICTIMS)]} == set(VICTIMS)
    assert 3.5 < struck[-1].at / len(struck) < 4.5
    assert {fault.kind for fault in struck if fault.victim != "broker"} == {"kill", "stop"}
    assert {fault.kind for fault in struck if fault.victim == "broker"} == {"kill", "stop", "empty", "wipe"}
    assert all((fault.seconds > 0) == (fault.kind == "stop") for fault in struck)


def test_a_given_server_is_no_victim() -> None:
    assert {fault.victim for fault in islice(faults(1, 1.0, ("web", "beat")), 20)} == {"web", "beat"}


def test_only_what_is_wanted_and_what_the_trial_has_started_is_struck() -> None:
    assert Servers(wanted=("beat", "broker")).victims == ("broker", "beat")
    assert Servers(broker_url="redis://", wanted=("beat", "broker")).victims == ("beat",)


def test_a_trial_that_would_strike_nobody_is_refused() -> None:
    refused = CliRunner().invoke(chaos, ["--victim", "broker", "--broker-url", "redis://127.0.0.1:9/0"])
    assert refused.exit_code == 2
    assert "is used and not struck" in refused.output
