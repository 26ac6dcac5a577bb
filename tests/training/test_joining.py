"""What is refused before processes come together, and where they come together unasked."""

import os
import signal
import socket
import subprocess
import sys

import jax
import pytest
from jax._src.clusters import ClusterEnv

from bert_jax.errors import ConfigError
from bert_jax.training import joining
from bert_jax.training.joining import _detected_count, joined


def join(*arguments, seconds=1.0):
    with joined(*arguments, seconds):
        pass


@pytest.fixture
def port():
    """One that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture
def nowhere(monkeypatch):
    """The environment of a machine that no cluster has set anything in."""
    for name in os.environ:
        if name.startswith(("SLURM_", "OMPI_", "TPU_", "KUBERNETES_", "JOB_COMPLETION")):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        (("host:1", None, None), "--num_processes, --process_id: missing"),
        ((None, 2, None), "--coordinator, --process_id: missing"),
        ((None, 2, 1), "--coordinator: missing"),
    ],
)
def test_some_of_the_flags_are_no_flags(flags, missing):
    with pytest.raises(ConfigError, match=f"^{missing}; give all three"):
        join(*flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("host:1", 0, 0), "--num_processes=0: wants 1 or more"),
        (("host:1", 2, 2), "--process_id=2: wants 0 to 1, since --num_processes=2"),
        (("host:1", 2, -1), "--process_id=-1: wants 0 to 1"),
        (("host", 2, 0), "--coordinator=host: wants HOST:PORT"),
        (("host:port", 2, 0), "wants HOST:PORT"),
        (("host:65536", 2, 0), "wants HOST:PORT"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags, message):
    with pytest.raises(ConfigError, match=message):
        join(*flags)


def test_a_coordinator_that_is_not_there_is_given_up_after_the_time_that_was_said(port):
    message = r"not reached within 1 seconds \(--join_seconds; Connection refused\)"
    with pytest.raises(ConfigError, match=message):
        join(f"127.0.0.1:{port}", 2, 1)


def test_a_time_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="--join_seconds=0: wants more than 0"):
        join(None, None, None, seconds=0.0)


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot open port {port}"):
            join(f"127.0.0.1:{port}", 2, 0)


@pytest.mark.parametrize("flags", [(None, None, None), ("host:1", 1, 0)])
def test_a_process_alone_joins_nobody(nowhere, flags):
    nowhere.setattr(jax.distributed, "initialize", lambda **_: pytest.fail("it tried"))
    join(*flags)


SLURM = {
    "SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "node[1-2]", "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "4",
}  # fmt: skip
OPEN_MPI = {"OMPI_MCA_orte_hnp_uri": "4096.0;tcp://10.0.0.1:1", "OMPI_COMM_WORLD_SIZE": "3"}


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 1),
        (SLURM, 4),
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}, 1),  # a run of a sweep
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, 1),  # the shell that `salloc -n 4` gives
        ({k: v for k, v in SLURM.items() if k != "SLURM_STEP_NODELIST"}, 1),  # sbatch, not srun
        (OPEN_MPI, 3),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 1),  # some pod
    ],
)
def test_a_cluster_is_recognised_by_what_it_sets(nowhere, environment, count):
    for name, value in environment.items():
        nowhere.setenv(name, value)
    assert _detected_count() == count


def test_a_cluster_that_does_not_answer_is_named(nowhere):
    class Silent(ClusterEnv):
        @classmethod
        def is_env_present(cls):
            raise OSError("no route to host")

    ClusterEnv._cluster_types.remove(Silent)
    nowhere.setattr(ClusterEnv, "_cluster_types", [Silent])
    with pytest.raises(ConfigError, match="Silent was recognised .*no route to host.*say --coord"):
        _detected_count()


ABORT = """
import os, threading, time
from bert_jax.training.joining import _explain_aborts
_explain_aborts("another line", 3)
_explain_aborts("the line", 9)
threading.Thread(target=os.abort).start()
time.sleep(30)
"""


def test_an_abort_ends_with_a_line_and_a_code():
    done = subprocess.run([sys.executable, "-c", ABORT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (9, "error: the line\n")


def test_without_it_an_abort_is_an_abort():
    done = subprocess.run([sys.executable, "-c", "import os; os.abort()"], capture_output=True)
    assert done.returncode == -signal.SIGABRT


def test_heartbeats_are_given_up_within_a_minute():
    assert joining.HEARTBEAT_SECONDS <= 45
