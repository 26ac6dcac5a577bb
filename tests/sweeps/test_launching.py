"""Real processes: some at once, failures on their own, stopped by a signal, waited for."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from bert_jax.sweeps import launching
from bert_jax.sweeps.launching import launch
from bert_jax.sweeps.local import Local
from bert_jax.sweeps.outcome import begin, note_outcome
from bert_jax.sweeps.plan import PlannedRun
from bert_jax.training.signals import StopRequest, stop_requests
from bert_jax.training.workdir import locked


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(launching, "_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(launching, "_BETWEEN_TRIES", 0.1)


class Watcher:
    def __init__(self):
        self.codes = {}
        self.errors = {}
        self.most = 0
        self.said = []

    def look(self, live):
        self.most = max(self.most, len(live))

    def ended(self, run, code, error):
        assert run.name not in self.codes
        self.codes[run.name] = code
        self.errors[run.name] = error

    def say(self, text):
        self.said.append(text)


def run_of(tmp_path, name, program):
    return PlannedRun(name, tmp_path / name, ("-c", program))


def outcome(run):
    return json.loads((run.folder / "outcome.json").read_text())


def test_a_run_that_fails_does_not_end_the_others_and_says_why(tmp_path):
    programs = {
        "good": "print('done')",
        "refused": "import sys; print('error: no such file\\nmore'); sys.exit(3)",
        "crash": "print('error: earlier')\nraise KeyError('gone')",
        "silent": "import sys; sys.exit(9)",
        "killed": "import os; os.kill(os.getpid(), 9)",
    }
    runs = [run_of(tmp_path, *item) for item in programs.items()]
    watcher = Watcher()
    launch(runs, Local(2), StopRequest(), watcher)
    assert watcher.codes == {"good": 0, "refused": 3, "crash": 1, "silent": 9, "killed": 137}
    assert watcher.errors == {
        "good": "",
        "refused": "no such file",
        "crash": "KeyError: 'gone'",
        "silent": "exit code 9, and nothing was printed",
        "killed": "killed by SIGKILL, perhaps for want of memory",
    }
    assert outcome(runs[1]) == {"code": 3, "error": "no such file"}
    assert (runs[0].folder / "output.log").read_text() == "done\n"


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_runs_go_on_at_once(tmp_path, jobs):
    runs = [run_of(tmp_path, str(i), "import time; time.sleep(0.3)") for i in range(5)]
    watcher = Watcher()
    launch(runs, Local(jobs), StopRequest(), watcher)
    assert watcher.most == jobs and len(watcher.codes) == 5


def test_a_run_is_asked_for_when_there_is_room_and_may_depend_on_those_before(tmp_path):
    watcher = Watcher()

    def runs():
        yield run_of(tmp_path, "first", "raise SystemExit(3)")
        yield run_of(tmp_path, f"after {watcher.codes}", "print('done')")

    launch(runs(), Local(1), StopRequest(), watcher)
    assert watcher.codes == {"first": 3, "after {'first': 3}": 0}


SAVES = """
import pathlib, signal, time
saved = []
signal.signal(signal.SIGTERM, lambda number, frame: saved.append(number))
pathlib.Path("READY").write_text("")
while not saved:
    time.sleep(0.01)
time.sleep(0.3)  # time for a second one to arrive
pathlib.Path("SAVED").write_text(f"saved, told {len(saved)} times")
raise SystemExit(143)
"""


def test_a_signal_reaches_the_runs_once_and_starts_no_more(tmp_path):
    first = tmp_path / "first"
    program = SAVES.replace("SAVED", str(first / "saved")).replace("READY", str(first / "ready"))
    runs = [run_of(tmp_path, "first", program), run_of(tmp_path, "second", "print('never')")]

    def ask():
        while not (first / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=ask)
    watcher = Watcher()
    with stop_requests() as stop:
        thread.start()
        launch(runs, Local(1), stop, watcher)
        thread.join()
    assert watcher.codes == {"first": 143} and outcome(runs[0]) == {"code": 143, "error": ""}
    assert (first / "saved").read_text() == "saved, told 1 times" and not runs[1].folder.exists()


HOLDS = "import sys; from bert_jax.training.workdir import locked\nfrom pathlib import Path\n" + (
    "try:\n with locked(Path(FOLDER)): pass\n"
    "except Exception as error:\n print(f'error: {error}'); sys.exit(error.exit_code)\n"
)


def test_a_run_that_another_process_holds_is_waited_for(tmp_path):
    folder = tmp_path / "held"
    run = run_of(tmp_path, "held", HOLDS.replace("FOLDER", repr(str(folder))))
    watcher = Watcher()
    with locked(folder):
        thread = threading.Thread(target=launch, args=([run], Local(1), StopRequest(), watcher))
        thread.start()
        while not watcher.said and thread.is_alive():
            time.sleep(0.01)
        assert f"is in use by process {os.getpid()}" in watcher.said[0]
        assert not watcher.codes
    thread.join()
    assert watcher.codes == {"held": 0}


def test_a_run_is_told_apart_from_the_terminal(tmp_path):
    """A Ctrl-C there must reach it once, passed on, and not twice."""
    run = run_of(tmp_path, "run", "import os; print(os.getsid(0) == os.getpid())")
    launch([run], Local(1), StopRequest(), Watcher())
    assert (run.folder / "output.log").read_text() == "True\n"


def test_what_a_run_was_told_before_is_forgotten_when_it_begins_again(tmp_path):
    begin(tmp_path)
    assert note_outcome(tmp_path, 4) == "exit code 4, and nothing was printed"
    begin(tmp_path)
    assert not (tmp_path / "outcome.json").exists()


def test_the_interpreter_is_the_sweep_s_own(tmp_path):
    run = run_of(tmp_path, "run", "import sys; print(sys.executable)")
    launch([run], Local(1), StopRequest(), Watcher())
    assert (run.folder / "output.log").read_text().strip() == sys.executable
