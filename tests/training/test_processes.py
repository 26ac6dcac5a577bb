"""How processes wait, agree and fail together; here each is a thread with the store of one dict."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import pytest

from bert_jax.errors import ConfigError, DataError, ProcessLost
from bert_jax.runs.identity import check_same
from bert_jax.training import processes as module
from bert_jax.training import workdir as workdir_module
from bert_jax.training.processes import Processes
from bert_jax.training.signals import SharedStop
from bert_jax.training.workdir import held


class Store:
    """What `jax.distributed`'s client does, among threads."""

    def __init__(self, count):
        self.count, self.values, self.changed = count, {}, threading.Condition()
        self.waiting = {}

    def key_value_set(self, key, text):
        with self.changed:
            if key in self.values:
                raise RuntimeError("ALREADY_EXISTS")
            self.values[key] = text
            self.changed.notify_all()

    def blocking_key_value_get(self, key, timeout_in_ms):
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.values, 20)
            return self.values[key]

    def key_value_dir_get(self, prefix):
        with self.changed:
            return [(key, text) for key, text in self.values.items() if key.startswith(prefix)]

    def wait_at_barrier(self, name, timeout_in_ms):
        with self.changed:
            self.waiting[name] = self.waiting.get(name, 0) + 1
            assert self.waiting[name] <= self.count, f"{name} used twice"
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.waiting[name] == self.count, 20)


@pytest.fixture
def together():
    """A function (count, work) that does work(processes) in so many processes; their results."""

    def run(count, work):
        store = Store(count)
        members = [Processes(store, index, count) for index in range(count)]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(work, members, timeout=30))

    return run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "ROLL_CALL_SECONDS", 0.3)


def test_a_process_alone_waits_for_nobody():
    alone = Processes()
    alone.barrier("anything")
    assert alone.first and alone.told("a", "text") == "text"
    assert alone.exchange("b", "text") == ["text"]
    assert alone.in_turn("c", lambda: 3) == 3


def test_all_hear_what_the_first_says(together):
    def work(processes):
        return [processes.told("name", f"{processes.index} {turn}") for turn in range(3)]

    assert together(3, work) == [["0 0", "0 1", "0 2"]] * 3


def test_an_exchange_is_in_the_order_of_the_processes(together):
    found = together(12, lambda processes: processes.exchange("name", str(processes.index)))
    assert found == [[str(index) for index in range(12)]] * 12


def test_the_first_goes_first(together):
    order = []

    def work(processes):
        def note():
            if processes.first:
                time.sleep(0.1)
            order.append(processes.index)
            return processes.index

        return processes.in_turn("work", note)

    assert together(4, work) == [0, 1, 2, 3]
    assert order[0] == 0 and sorted(order) == [0, 1, 2, 3]


def test_all_stop_after_the_same_step_wherever_each_of_them_is(together):
    def work(processes):
        stop, steps, done = SharedStop(processes), 0, threading.Event()

        def look():
            while not done.wait(0.002):
                stop.look()

        looking = threading.Thread(target=look)
        looking.start()
        while steps < 2000 and not stop.reached():
            steps += 1
            time.sleep(0.001 * processes.index)  # they are at different steps at any time
            if processes.index == 2 and steps == 5:
                stop.number = 15
        processes.barrier("end")
        done.set()
        looking.join()
        return steps, stop.number

    first, *others = together(4, work)
    assert others == [first] * 3
    assert 5 <= first[0] < 2000 and first[1] == 15


def test_without_a_signal_nobody_stops(together):
    def work(processes):
        stop = SharedStop(processes)
        stop.look()
        return any(stop.reached() for _ in range(100))

    assert together(2, work) == [False, False]


def test_one_that_fails_takes_the_others_along_with_its_code(together, monkeypatch, capsys):
    left = []
    monkeypatch.setattr(module.os, "_exit", left.append)

    def work(processes):
        error = DataError("the reason")
        if processes.index == 1:
            assert processes.fail(error) is error
        processes.barrier("told")
        if processes.index != 1:
            processes._listen()

    together(3, work)
    assert left == [DataError.exit_code] * 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all("process 1 on" in s and "the reason" in s for s in said)


def broken():
    return jax.errors.JaxRuntimeError("UNKNOWN: Gloo AllReduce failed: Connection closed by peer")


def test_after_a_failed_computation_the_one_that_does_not_answer_is_named(together):
    def work(processes):
        if processes.index == 2:
            return None  # it died
        end = time.monotonic() + 1.0
        if processes.index == 1:  # busy: only its thread that looks is there
            while time.monotonic() < end:
                processes._listen()
                time.sleep(0.01)
            return None
        error = ValueError("what Orbax makes of it")
        error.__cause__ = broken()
        return processes.fail(error)

    lost, *_ = together(3, work)
    assert isinstance(lost, ProcessLost)
    assert "process 2 on" in str(lost) and "process 1 on" not in str(lost)
    assert "what Orbax makes of it" in str(lost)


def test_a_computation_that_fails_while_all_are_there_is_an_error_of_its_own(together):
    def work(processes):
        listening = threading.Event()

        def listen():
            while not listening.wait(0.01):
                processes._listen()

        thread = threading.Thread(target=listen)
        if processes.first:
            processes._leave_too = lambda *_: None
            thread.start()
            error = broken()
            found = processes.fail(error)
            listening.set()
            return found is error
        thread.start()
        heard = []
        processes._leave_too = lambda failed, text: heard.append((failed, text))
        while not heard:
            time.sleep(0.01)
        listening.set()
        thread.join()
        return heard[0]

    own, (failed, text) = together(2, work)
    assert own and failed == 0 and text.startswith("1 JaxRuntimeError: UNKNOWN: Gloo")


def test_another_config_on_one_host_is_refused(together):
    def work(processes):
        try:
            check_same(processes, "config", {"seed": 1 if processes.index == 1 else 0})
        except ConfigError as error:
            return str(error)

    same, other = together(2, work)
    assert same is None and "process 1 on" in other and "another config" in other


def test_only_the_first_writes_to_the_folder_that_all_hold(together, tmp_path):
    def work(processes):
        with held(tmp_path / "run", processes) as own:
            (own / "metrics.jsonl").write_text(str(processes.index))
            processes.barrier("written")
            return own

    first, second = together(2, work)
    assert first == tmp_path / "run" != second and not second.exists()
    assert (first / "metrics.jsonl").read_text() == "0"


def test_a_folder_that_is_not_shared_is_refused(together, tmp_path, monkeypatch):
    monkeypatch.setattr(workdir_module, "SEEN_SECONDS", 0.1)

    def work(processes):
        try:
            with held(tmp_path / str(processes.index), processes):
                pass
        except ConfigError as error:
            return str(error)

    assert "does not see there what process 0 wrote" in together(2, work)[1]
