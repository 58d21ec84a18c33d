"""The supervisor with real processes; each test's supervisor is a process of its own, ``table`` its process table."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.embedded.process import wait_until
from ops.supervisor import AlreadyRunning, Backoff, Service, Supervisor, running

ROOT = Path(__file__).parents[2]
PREAMBLE = """
import os, pathlib, sys, time
from ops.embedded import broker, postgres
from ops.supervisor import Backoff, Service, Supervisor, SupervisorError
home = pathlib.Path(sys.argv[1])
def python(code): return [sys.executable, "-S", "-c", code]
SLEEP = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); signal.pause(); signal.pause()"
"""
Up = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def up(home: Path) -> Iterator[Up]:
    """Runs a supervisor with the given table; kills it and what it left at the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(table: str) -> subprocess.Popen[str]:
        code = PREAMBLE + textwrap.dedent(table)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def services(home: Path) -> dict[str, dict[str, object]]:
    state = running(home)
    return state["services"] if state else {}


def wait_running(home: Path, process: subprocess.Popen[str]) -> dict[str, int]:
    """The services' pids, as soon as all are ready."""

    def ready() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return (running(home) or {}).get("state") == "running"

    wait_until(ready, 30, "the supervisor did not get ready")
    return {name: int(str(entry["pid"])) for name, entry in services(home).items() if entry["pid"]}


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def log(home: Path, name: str) -> str:
    path = home / f"log/{name}.log"
    return path.read_text() if path.exists() else ""


THREE = """
def loud(name): return f"import signal, sys; print('{name} begins'); " + (
    f"signal.signal(signal.SIGTERM, lambda *_: (print('{name} ends', flush=True), sys.exit(0))); signal.pause()")
ready = lambda: "b begins" in (home / "log/b.log").read_text()
Supervisor(home, [
    Service("a", python(loud("a"))), Service("b", python(loud("b")), ready=ready), Service("c", python(loud("c"))),
]).run()
"""


def test_services_start_in_order_and_stop_in_reverse(home: Path, up: Up) -> None:
    process = up(THREE)
    wait_running(home, process)
    wait_until(lambda: "c begins" in log(home, "c"), 10, "c said nothing")

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[0]

    assert process.returncode == 0, said
    assert said.index("b begins") < said.index("b is ready") < said.index("c begins")
    assert said.index("c ends") < said.index("b ends") < said.index("a ends")
    assert "a  | a begins" in said
    assert "\x1b[" not in said
    assert not (home / "state.json").exists()


def test_a_once_service_ends_before_the_next_begins(home: Path, up: Up) -> None:
    process = up("""
        Supervisor(home, [
            Service("migrate", python("print('migrated')"), once=True),
            Service("web", python("print('serving'); " + SLEEP), env=lambda: {"WHAT": "lazy"}),
        ]).run(then=lambda: 7)
    """)

    said = process.communicate(timeout=20)[0]

    assert process.returncode == 0, "run() returns the status, it does not exit"
    assert said.index("migrated") < said.index("migrate is done")
    assert "migrate ended" not in said


def test_then_decides_the_exit_status(home: Path, up: Up) -> None:
    process = up('sys.exit(Supervisor(home, [Service("a", python(SLEEP))]).run(then=lambda: 7))')

    process.communicate(timeout=20)

    assert process.returncode == 7


def test_a_service_that_fails_to_start_stops_all_and_is_quoted(home: Path, up: Up) -> None:
    process = up("""
        try:
            Supervisor(home, [
                Service("good", python(SLEEP)),
                Service("bad", python("print('no such table'); raise SystemExit(3)"), ready=lambda: False),
            ], quiet=True).run()
        except SupervisorError as error:
            sys.exit(str(error))
    """)

    said = process.communicate(timeout=20)[0]

    assert said == "bad ended with status 3 before it was ready:\n  no such table\n"
    assert running(home) is None


def test_a_service_that_never_gets_ready_is_given_up(home: Path, up: Up) -> None:
    process = up("""
        try:
            Supervisor(home, [Service("slow", python(SLEEP), ready=lambda: False, ready_timeout=0.2)], quiet=True).run()
        except SupervisorError as error:
            sys.exit(str(error))
    """)

    assert process.communicate(timeout=20)[0] == "slow was not ready after 0 s\n"


def test_a_crashing_child_is_restarted_with_growing_pauses(home: Path, up: Up) -> None:
    process = up("""
        crash = Service("crash", python("raise SystemExit(5)"), backoff=Backoff(first=0.1, limit=0.4))
        Supervisor(home, [crash, Service("calm", python(SLEEP))]).run()
    """)
    calm = wait_running(home, process)["calm"]

    wait_until(lambda: log(home, "crash").count("again in 0.4 s") >= 2, 20, "no restarts")

    lines = log(home, "crash").splitlines()
    assert [line.rpartition("again in ")[2] for line in lines[:4]] == ["0.1 s", "0.2 s", "0.4 s", "0.4 s"]
    assert lines[0].startswith("ended with status 5")
    assert services(home)["calm"]["pid"] == calm


def test_the_pause_is_short_again_after_a_stable_time() -> None:
    backoff = Backoff(first=0.5, limit=30)

    assert [backoff.delay(failures) for failures in (1, 2, 3, 7, 5000)] == [0.5, 1, 2, 30, 30]


def test_workers_of_a_killed_leader_do_not_stay(home: Path, up: Up) -> None:
    process = up("""
        worker = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
        leader = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}]).wait()"
        Supervisor(home, [Service("leader", python(leader), backoff=Backoff(first=0.1))]).run()
    """)
    leader = wait_running(home, process)["leader"]
    wait_until(lambda: log(home, "leader").strip().isdigit(), 10, "no worker")
    worker = int(log(home, "leader"))

    os.kill(leader, signal.SIGKILL)

    wait_until(lambda: gone(worker), 10, "the worker outlived its leader")
    wait_until(lambda: services(home)["leader"]["restarts"] == 1, 10, "no restart")


PATIENT = """
patient = f'''
import pathlib, signal, sys, time
def end(*_):
    print("asked", flush=True)
    while not pathlib.Path({str(home / "go")!r}).exists(): time.sleep(0.01)
    sys.exit(print("in order", flush=True))
signal.signal(signal.SIGTERM, end)
print("begins", flush=True)
signal.pause()
'''
Supervisor(home, [Service("patient", python(patient), stop_timeout=60)]).run()
"""


def test_a_second_sigterm_changes_nothing(home: Path, up: Up) -> None:
    process = up(PATIENT)
    wait_until(lambda: "begins" in log(home, "patient"), 30, "it never began")

    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "asked" in log(home, "patient"), 30, "it was not asked to end")
    for number in (signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    (home / "go").touch()

    assert "in order" in process.communicate(timeout=60)[0]
    assert process.returncode == 0


def test_a_second_ctrl_c_does_not_wait(home: Path, up: Up) -> None:
    process = up('Supervisor(home, [Service("deaf", python(STUBBORN), stop_timeout=60)]).run()')
    deaf = wait_running(home, process)["deaf"]
    wait_until(lambda: "deaf" in log(home, "deaf"), 10, "it said nothing")

    process.send_signal(signal.SIGINT)
    wait_until(lambda: json.loads((home / "state.json").read_text())["state"] == "stopping", 10, "not stopping")
    process.send_signal(signal.SIGINT)

    process.communicate(timeout=20)
    assert gone(deaf)


def test_a_deaf_service_is_killed_after_its_time(home: Path, up: Up) -> None:
    process = up('Supervisor(home, [Service("deaf", python(STUBBORN), stop_timeout=0.2)]).run()')
    deaf = wait_running(home, process)["deaf"]
    wait_until(lambda: "deaf" in log(home, "deaf"), 10, "it said nothing")

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=20)
    assert gone(deaf)


def test_a_second_supervisor_is_told_who_runs_where(home: Path, up: Up) -> None:
    process = up('Supervisor(home, [Service("a", python(SLEEP))], address="http://127.0.0.1:8080").run()')
    wait_running(home, process)

    with pytest.raises(
        AlreadyRunning, match=r"already running at http://127.0.0.1:8080: process \d+, since 2"
    ) as caught:
        Supervisor(home, []).run()

    assert caught.value.pid == process.pid
    assert (running(home) or {})["pid"] == process.pid


def test_leftovers_of_a_killed_supervisor_are_ended_before_the_next_start(home: Path, up: Up) -> None:
    table = 'Supervisor(home, [Service("deaf", python(STUBBORN), stop_timeout=0.2)]).run()'
    first = up(table)
    deaf = wait_running(home, first)["deaf"]
    wait_until(lambda: "deaf" in log(home, "deaf"), 10, "it said nothing")
    first.kill()
    first.wait()
    assert running(home) is None
    assert not gone(deaf), "else this proves nothing"

    second = wait_running(home, up(table))["deaf"]

    assert gone(deaf)
    assert not gone(second)


def test_a_worker_whose_leader_died_with_the_supervisor_is_ended_too(home: Path, up: Up) -> None:
    table = """
        leader = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {STUBBORN!r}]).wait()"
        Supervisor(home, [Service("leader", python(leader))]).run()
    """
    first = up(table)
    leader = psutil.Process(wait_running(home, first)["leader"])
    wait_until(lambda: "deaf" in log(home, "leader"), 10, "no worker")
    (worker,) = leader.children()
    first.kill()
    first.wait()
    wait_until(lambda: gone(leader.pid), 10, "the leader outlived the supervisor")
    assert not gone(worker.pid), "else this proves nothing"

    wait_running(home, up(table))

    assert gone(worker.pid)


def room(process: subprocess.Popen[str], *, left: bool) -> None:
    """The disk is full for this process and what it starts, or has room again."""
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most if left else 0, most))


FLAKY = """
flaky = "import pathlib, time; p = pathlib.Path(" + repr(str(home / "end")) + ")" + chr(10) + (
    "while not p.exists(): time.sleep(0.01)" + chr(10) + "print('fell')" + chr(10) + "p.unlink()")
def loud(name): return f"import signal, sys; " + (
    f"signal.signal(signal.SIGTERM, lambda *_: (print('{name} ends', flush=True), sys.exit(0))); signal.pause()")
Supervisor(home, [
    Service("a", python(loud("a"))), Service("b", python(loud("b"))),
    Service("flaky", python(flaky), backoff=Backoff(first=0.1)),
]).run()
"""


def heard(process: subprocess.Popen[str], words: str) -> list[str]:
    """What it says, until these words."""
    assert process.stdout
    said = [process.stdout.readline()]
    while said[-1] and words not in said[-1]:
        said.append(process.stdout.readline())
    assert said[-1], "".join(said)
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limits of another process")
def test_on_a_full_disk_it_goes_on_and_stops_everything_in_order(home: Path, up: Up) -> None:
    process = up(FLAKY)
    wait_running(home, process)

    room(process, left=False)
    (home / "end").touch()
    heard(process, "state.json cannot be written: File too large")
    (home / "end").touch()
    heard(process, "fell")  # it was started again
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[0]

    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert said.index("b ends") < said.index("a ends")
    assert not (home / "state.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limits of another process")
def test_when_there_is_room_again_the_state_is_written_again(home: Path, up: Up) -> None:
    process = up(FLAKY)
    before = wait_running(home, process)["flaky"]

    room(process, left=False)
    (home / "end").touch()
    heard(process, "state.json cannot be written")
    room(process, left=True)
    heard(process, "state.json is written again")

    wait_until(lambda: services(home)["flaky"]["restarts"] == 1, 30, "what happened meanwhile is not in the file")
    assert services(home)["flaky"]["pid"] != before


STACK = """
def embedded(name, server):
    start = lambda fd: server.start(home, output=fd, die_with_parent=True)
    return Service(name, start=start, backoff=Backoff(first=0.1))
Supervisor(home, [
    embedded("postgres", postgres),
    embedded("broker", broker),
    Service("worker", python(SLEEP)),
]).run()
"""


def dsn(home: Path) -> str:
    return f"postgresql://orchestrator@/orchestrator?host={home / 'postgres/run'}"


def test_kill_minus_nine_of_anything_then_up_again_on_the_same_data(home: Path, up: Up) -> None:
    first = up(STACK)
    pids = wait_running(home, first)
    with psycopg.connect(dsn(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")

    for name in ("postgres", "broker"):  # the supervisor brings them back at the same address
        os.kill(pids[name], signal.SIGKILL)
        wait_until(lambda name=name: services(home)[name]["restarts"] == 1, 20, f"{name} did not come back")
    latest = {name: int(str(entry["pid"])) for name, entry in services(home).items()}
    first.kill()
    first.wait()
    wait_until(lambda: all(map(gone, latest.values())), 20, "something outlived its supervisor")
    wait_running(home, up(STACK))

    with psycopg.connect(dsn(home)) as connection:
        assert connection.execute("SELECT x FROM kept").fetchall() == [(42,)]
    last_start = log(home, "postgres").rpartition("starting PostgreSQL")[2]
    assert "database system was shut down at" in last_start, "it was not asked to end in order"


def test_a_service_is_either_run_or_called() -> None:
    with pytest.raises(ValueError, match="either argv or start"):
        Service("nothing")
