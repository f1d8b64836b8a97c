import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from offramp.benchmark import worker
from offramp.benchmark.measuring import Task, Timing, Tried
from offramp.benchmark.worker import measure_apart, thread_settings
from offramp.errors import OfframpError
from offramp.records import from_json, to_json

TIMING = Timing(16, (Tried(16, 0.5),), (0.1, 0.2), 0.9, ((0.1, 0.2), (0.3, 0.4)), 0.05, None)


def test_tasks_and_timings_survive_json(task):
    assert from_json(Task, json.loads(json.dumps(to_json(task)))) == task
    assert from_json(Timing, json.loads(json.dumps(to_json(TIMING)))) == TIMING


def test_a_process_of_its_own_measures(task):
    timings = measure_apart(task, lambda *_: None)
    assert len(timings) == len(task.contenders)
    assert all(timing.offline for timing in timings)


@pytest.mark.parametrize(("threads", "parallel"), [(1, "false"), (2, "true")])
def test_all_libraries_get_as_many_threads(threads, parallel):
    settings = thread_settings(threads)
    assert settings.pop("TOKENIZERS_PARALLELISM") == parallel
    assert set(settings.values()) == {str(threads)}


@pytest.fixture
def instead(monkeypatch):
    """Puts a program in the worker's place, and gives the processes started."""
    started = []

    def put(program):
        def start(command, **settings):
            started.append(subprocess.Popen([sys.executable, "-c", program], **settings))
            return started[-1]

        monkeypatch.setattr(worker, "subprocess", SimpleNamespace(Popen=start, PIPE=subprocess.PIPE))
        return started

    return put


def test_progress_and_result_come_as_lines(task, instead):
    told = []
    instead(
        "import sys, json; json.load(sys.stdin)\n"
        "print(json.dumps({'what': 'offline', 'done': 1, 'total': 2}))\n"
        f"print({json.dumps(to_json([TIMING]))!r})"
    )
    assert measure_apart(task, lambda *what: told.append(what)) == [TIMING]
    assert told == [("offline", 1, 2)]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.stdin.read(); sys.exit('no room')", r"1 thread ended with code 1 \(no room\)"),
        ("import sys; sys.stdin.read()", r"ended with code 0 \(it said nothing\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", rf"ended with code -{int(signal.SIGKILL)}"),
    ],
)
def test_a_process_that_dies_is_told(task, instead, program, message):
    instead(program)
    with pytest.raises(OfframpError, match=message):
        measure_apart(task, lambda *_: None)


def test_an_interruption_leaves_no_process_behind(task, instead):
    def interrupted(*_):
        raise KeyboardInterrupt

    line = json.dumps({"what": "offline", "done": 0, "total": 1})
    started = instead(f"import sys, time; sys.stdin.read(); print({line!r}, flush=True); time.sleep(99)")
    with pytest.raises(KeyboardInterrupt):
        measure_apart(task, interrupted)
    assert started[0].poll() == -signal.SIGKILL
