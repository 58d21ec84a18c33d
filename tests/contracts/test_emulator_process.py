"""`python -m ops.emulator` as a process of its own: ready line, an answer, a broken-off answer, a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from emulator_support import DEADLINE, Inbox

ROOT = Path(__file__).parents[2]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


@pytest.fixture
def emulator() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "ops.emulator", "--port", "0", "--seed", "7", "--instant", "--small"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    watchdog = threading.Timer(DEADLINE * 3, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    assert line.startswith("emulator listening on http://127.0.0.1:"), line
    yield process, line.split()[3]
    process.terminate()
    process.wait(DEADLINE)
    watchdog.cancel()
    process.stdout.close()


def imagine(url: str, **body: object) -> requests.Response:
    headers = {"Authorization": "Bearer any"}
    body = {"prompt": "a quiet lake", **body}
    return requests.post(f"{url}/midjourney/imagine", json=body, headers=headers, timeout=DEADLINE)


def test_a_job_is_answered_called_back_and_its_picture_served(
    emulator: tuple[subprocess.Popen[str], str], inbox: Inbox
) -> None:
    answer = imagine(emulator[1], callback_url=inbox.url)
    (result,) = inbox.wait(1)
    assert result["task_id"] == answer.json()["task_id"]
    assert requests.get(result["raw_image_url"], timeout=DEADLINE).headers["Content-Type"] == "image/png"


def test_a_submit_can_be_cut_off_though_its_job_exists(emulator: tuple[subprocess.Popen[str], str]) -> None:
    url = emulator[1]
    wish = {"chaos": "submit_timeout=1", "hang": 0}
    requests.post(f"{url}/_emulator/config", json=wish, timeout=DEADLINE).raise_for_status()
    cut = 0
    for _ in range(8):
        try:
            imagine(url)
        except requests.RequestException:
            cut += 1
    assert 0 < cut < 8
    assert requests.get(f"{url}/_emulator/stats", timeout=DEADLINE).json()["paid_jobs"] == 8


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(emulator: tuple[subprocess.Popen[str], str], end: signal.Signals) -> None:
    process, url = emulator
    process.send_signal(end)
    assert process.wait(DEADLINE) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/_emulator/stats", timeout=DEADLINE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes as Unix has them")
def test_the_worker_does_not_outlive_a_killed_parent(emulator: tuple[subprocess.Popen[str], str]) -> None:
    process, url = emulator
    process.kill()
    process.wait(DEADLINE)
    assert any(gone(url) for _ in range(5000))


def gone(url: str) -> bool:
    try:
        requests.get(f"{url}/_emulator/stats", timeout=DEADLINE)
    except requests.ConnectionError:
        return True
    return False
