"""How processes come together at the start, and what is said when JAX ends one of them.

The only place that knows how `jax.distributed` is begun.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import jax
from jax._src import distributed
from jax._src.clusters import ClusterEnv

from bert_jax.errors import ConfigError, ProcessLost
from bert_jax.training.processes import Processes, exit_code, set_current

# A process that has sent no sign for so long is taken for dead, and all others end. JAX would wait
# for 100 seconds, in which a pod costs money.
HEARTBEAT_SECONDS = 30
# How long the others wait at the end for process 0, which writes the report.
SHUTDOWN_SECONDS = 600

_GIVE_ALL = "--coordinator=HOST:PORT --num_processes=N --process_id=K"


@contextlib.contextmanager
def joined(
    coordinator: str | None, num_processes: int | None, process_id: int | None, seconds: float
) -> Iterator[None]:
    """Come together with the other processes of a run, before any device is touched.

    Where no flag is given, Slurm, Open MPI, TPU pods and indexed Kubernetes jobs are recognised by
    what JAX recognises them by; a process on its own stays so. Only process 0 prints. Left with an
    error, the others are told and leave with the same code.

    Args:
        coordinator: address of process 0, HOST:PORT with a free port there.
        num_processes: how many there are.
        process_id: which one this is, from 0.
        seconds: how long to wait for the others.

    Raises:
        ConfigError: the flags make no sense, or process 0 cannot be reached.
        ProcessLost: another process died.
    """
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    if seconds <= 0:
        raise ConfigError(f"--join_seconds={seconds:g}: wants more than 0")
    if all(value is None for value in given.values()):
        if _detected_count() < 2:
            yield
            return
        arguments = {}
    else:
        if _check_flags(given) == 1:
            yield
            return
        _check_address(str(coordinator), process_id == 0, seconds)
        arguments = {
            "coordinator_address": coordinator,
            "num_processes": num_processes,
            "process_id": process_id,
            "cluster_detection_method": "deactivate",  # these flags say it all
        }
    processes = _initialize(arguments, seconds)
    try:
        with contextlib.ExitStack() as stack:
            if not processes.first:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    except SystemExit:
        raise
    except BaseException as error:
        reason = processes.fail(error)
        # JAX would now wait at exit for processes that will not come.
        atexit.register(_leave_at_once, exit_code(reason))
        if reason is error:
            raise
        raise reason from error
    finally:
        processes.end()
        set_current(Processes())


def _initialize(arguments: dict[str, str | int | None], seconds: float) -> Processes:
    """Start JAX's runtime of several processes."""
    # Its handler of SIGTERM would take the place of ours, which knows SIGINT too.
    jax.config.update("jax_enable_preemption_service", False)
    _explain_aborts(
        f"the processes did not come together within {seconds:g} seconds (--join_seconds); the "
        "reason stands above. Is the same command running on every host, with the same number of "
        "processes and no number twice?",
        ConfigError.exit_code,
    )
    try:
        jax.distributed.initialize(
            **arguments,  # type: ignore[arg-type]
            initialization_timeout=max(1, round(seconds)),
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"the processes could not come together: {reason}; say {_GIVE_ALL}"
        ) from error
    state = distributed.global_state
    processes = Processes(state.client, state.process_id, state.num_processes)
    processes.begin()
    set_current(processes)
    _explain_aborts(
        f"JAX ended {processes.name(processes.index)}, as it does when another process died or "
        f"cannot be reached; which one stands above ({processes.describe()}): look at its log "
        "first. The last checkpoint is good, and the same command on every host continues from "
        "there",
        ProcessLost.exit_code,
    )
    return processes


def _check_flags(given: dict[str, str | int | None]) -> int:
    """Refuse flags that make no sense; return the number of processes."""
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: missing; give all three, {_GIVE_ALL}, or none")
    count, index = int(given["num_processes"] or 0), int(given["process_id"] or 0)
    if count < 1:
        raise ConfigError(f"--num_processes={count}: wants 1 or more")
    if not 0 <= index < count:
        raise ConfigError(
            f"--process_id={index}: wants 0 to {count - 1}, since --num_processes={count}"
        )
    host, _, port = str(given["coordinator"]).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"--coordinator={given['coordinator']}: wants HOST:PORT of process 0, such as "
            "10.0.0.1:8476"
        )
    return count


def _check_address(coordinator: str, first: bool, seconds: float) -> None:
    """See that process 0 can open its port, or wait until the others can reach it.

    JAX does both without a word for minutes, and then aborts.
    """
    host, _, port = coordinator.rpartition(":")
    host = host.strip("[]")
    if first:
        try:
            with socket.create_server(("", int(port))):
                return
        except OSError as error:
            raise ConfigError(
                f"--coordinator={coordinator}: process 0 cannot open port {port} "
                f"({error.strerror or error}); choose a free one"
            ) from error
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        try:
            with socket.create_connection((host, int(port)), timeout=max(0.1, min(left, 5.0))):
                return
        except OSError as error:
            if left <= 1.0:
                raise ConfigError(
                    f"--coordinator={coordinator}: not reached within {seconds:g} seconds "
                    f"(--join_seconds; {error.strerror or error}); is process 0 running, and may "
                    "this host talk to that port?"
                ) from error
        time.sleep(min(1.0, left))


def _detected_count() -> int:
    """Count the processes of the cluster that this one was started in; 1 where there is none."""
    for cluster in ClusterEnv._cluster_types:
        if cluster.opt_in_only_method:
            continue
        # Looking at any pod costs JAX a warning or a call; only an indexed job is a group.
        if cluster.__name__ == "K8sCluster" and "JOB_COMPLETION_INDEX" not in os.environ:
            continue
        try:
            if cluster.is_env_present():
                # The shell that `salloc -n 4` gives is told of the four tasks, and is one.
                alone = os.environ.get("SLURM_STEP_NUM_TASKS") == "1"
                if alone and cluster.__name__ == "SlurmCluster":
                    return 1
                return cluster.get_process_count()
        except Exception as error:  # what it asks is a network, and an API with errors of its own
            raise ConfigError(
                f"{cluster.__name__} was recognised but tells no number of processes "
                f"({' '.join(str(error).split())[:300]}); say {_GIVE_ALL}"
            ) from error
    return 1


def _explain_aborts(text: str, code: int) -> None:
    """Have an abort of JAX's runtime end with a line of ours and a code that scripts can rely on.

    On a lost process JAX's runtime logs why and calls `abort` from a thread of its own, out of
    Python's reach: Python's signal handlers run on its main thread, which may hang in a
    computation. So the handler is set in C, and calls back.
    """
    global _handler
    line = f"error: {text}\n".encode()

    def leave(number: int) -> None:
        del number
        os.write(2, line)
        os._exit(code)

    with contextlib.suppress(OSError, AttributeError):  # a system without such a libc
        c = ctypes.CDLL(None)
        handler = _HANDLER(leave)
        c.signal.argtypes = [ctypes.c_int, _HANDLER]
        c.signal.restype = ctypes.c_void_p
        c.signal(signal.SIGABRT, handler)
        _handler = handler  # the one before is no longer called and may go


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)
_handler: object = None  # C knows only its address


def _leave_at_once(code: int) -> None:
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)
