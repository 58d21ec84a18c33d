"""The main job with real processes: it ends well, in peace, under hostility, and when processes are killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import shipped
from PIL import Image

pytestmark = pytest.mark.timeout(300)


def archived_sizes(run: dict[str, Any]) -> list[tuple[int, int]]:
    sizes = []
    for stored in run["archive"]:
        with Image.open(urlsplit(stored["uri"]).path) as image:
            image.load()
            sizes.append(image.size)
    return sizes


def assert_all_ended_well(world: Any, finished: list[dict[str, Any]]) -> None:
    assert Counter(run["state"] for run in finished) == {"succeeded": len(world.runs)}
    assert all(archived_sizes(run) == [(512, 512)] for run in finished)
    # Each paid job answers one task: three per run, and no task has two.
    jobs = world.provider("jobs?limit=100000")["items"]
    by_task = Counter(job["callback_url"] for job in jobs)
    assert max(by_task.values()) == 1
    assert len(by_task) == 3 * len(world.runs)


def test_a_run_ends_in_an_archived_image_four_times_as_large(make_world: Any) -> None:
    world = make_world("--instant")

    world.launch(5)

    assert_all_ended_well(world, world.finished())
    assert world.down() == 0


def test_a_hundred_runs_against_a_hostile_provider_end_the_same_way(make_world: Any) -> None:
    chaos = "duplicate=0.2,reorder=0.2,drop=0.1,early=0.1"
    world = make_world("--latency", "0.2", "--concurrency", "10", "--chaos-delay", "0.5", "--chaos", chaos)

    world.launch(100)

    assert_all_ended_well(world, world.finished())


def test_lost_answers_and_refusals_pay_for_nothing_twice(make_world: Any) -> None:
    chaos = "submit_timeout=0.1,submit_5xx=0.1,rate_limit=0.1,contradict=0.1,forge=0.1"
    world = make_world("--instant", "--hang", "3", "--chaos-delay", "0.5", "--chaos", chaos)

    world.launch(15)

    assert_all_ended_well(world, world.finished())


@pytest.mark.parametrize("victim", ["worker", "web", "postgres", "broker", "beat"])
def test_kill_9_in_mid_run_changes_nothing_but_time(make_world: Any, victim: str) -> None:
    world = make_world("--latency", "0.5", "--concurrency", "10")
    world.launch(6)

    world.kill(victim)
    world.launch(2)
    world.kill(victim)

    assert_all_ended_well(world, world.finished())


def test_kill_9_of_the_supervisor_then_up_again_goes_on_with_the_same_data(make_world: Any) -> None:
    world = make_world("--latency", "0.5", "--concurrency", "10")
    world.launch(4)

    os.kill(world.program.process.pid, signal.SIGKILL)
    world.program.process.wait()
    world.up()

    assert_all_ended_well(world, world.finished())


OTHERS = """
- {{name: mjproxy, provider: mjproxy, base_url: "{emulator}", token: another-token, poll: 1, callback: CALLBACK}}
- {{name: imagineapi, provider: imagineapi, base_url: "{emulator}", token: a-third-token, poll: 1, callback: poll}}
"""


@pytest.mark.parametrize("callback", ["push", "poll"])
def test_every_shipped_pipeline_ends_well_at_every_provider_that_can_do_it(make_world: Any, callback: str) -> None:
    world = make_world("--instant", others=f"  callback: {callback}\n" + OTHERS.replace("CALLBACK", callback))

    for pipeline, inputs, account, _ in shipped.CASES:
        world.open(pipeline, inputs, account)

    ended = {f"{run['pipeline']} at {run['accounts']}": run["error"] or run["state"] for run in world.finished()}
    assert set(ended.values()) == {"succeeded"}, ended


def test_a_second_up_on_the_same_home_says_so(make_world: Any, tmp_path: Path) -> None:
    import subprocess
    import sys

    world = make_world("--instant")

    command = [sys.executable, "-m", "ops.cli.main", "up", "--port", str(world.port)]
    second = subprocess.run(command, env=world.environment, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode != 0
    assert f"already running at {world.url}" in second.stderr


def test_given_servers_are_used_and_none_is_started(make_world: Any, database_url: str, tmp_path: Path) -> None:
    from ops.embedded import broker

    own = broker.start(tmp_path / "broker", die_with_parent=True)
    try:
        world = make_world("--instant", DATABASE_URL=database_url, BROKER_URL=own.url)
        world.launch(1)

        assert_all_ended_well(world, world.finished())
        assert {"postgres", "broker"}.isdisjoint(world.pids())
        world.down()
    finally:
        own.stop()
