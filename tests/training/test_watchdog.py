"""A run that hangs is ended with a look at where; one that works, or that was stopped, is not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bert_jax.errors import ConfigError
from bert_jax.training.watchdog import Watchdog

HANG = """
import time
from bert_jax.training.watchdog import Watchdog

def get_stuck_here():
    time.sleep(60)

with Watchdog(0.6):
    get_stuck_here()
"""
WORK = """
import sys, time
from bert_jax.training.watchdog import Watchdog

with Watchdog(1.0) as watchdog:
    print("working", flush=True)
    for _ in range(20):
        time.sleep(0.1)
        watchdog.alive()
"""


def run(source, **options):
    command = [sys.executable, "-c", source]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_process_that_hangs_leaves_with_code_8_and_shows_where():
    done = run(HANG)
    assert done.returncode == 8
    assert done.stderr.startswith("error: nothing was finished for 1 seconds;")
    assert "get_stuck_here" in done.stderr and done.stdout == ""


def test_a_process_that_works_is_left_alone():
    done = run(WORK)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_long_evaluation_is_left_alone_and_watched_again_after():
    left = []
    with Watchdog(0.2, left.append) as watchdog:
        with watchdog.asleep():
            time.sleep(0.6)
        assert left == []
        time.sleep(0.6)
    assert left == [8]


def test_a_process_that_was_stopped_goes_on():
    process = subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(timeout=60) == 0
    process.stdout.close()


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_it_watches_only_in_its_block_and_never_where_there_is_no_limit(seconds):
    left = []
    with Watchdog(seconds, left.append):
        time.sleep(0.0 if seconds else 0.3)
    time.sleep(0.4)
    assert left == []
    if seconds:
        with Watchdog(seconds, left.append):
            time.sleep(0.6)
        assert left == [8]


def test_a_negative_time_is_refused():
    with pytest.raises(ConfigError, match=r"watchdog_seconds=-1: wants 0 or more"):
        Watchdog(-1)
