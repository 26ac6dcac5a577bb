"""A run of four processes, one of which is told to stop and another killed, ended by two.

    python -m experiments.meshes.disturbed --work=WORK --results=experiments/meshes/results

Four processes of two devices each train until one of them gets a SIGTERM, four with another mesh
until one gets a SIGKILL, two go on to the end. What it is held against is one device that was left
alone. `--data` names a prepared folder; otherwise the built-in corpus is prepared.
"""

import signal
import time

from bert_jax.training.checkpoints import Checkpoints
from experiments.meshes import elastic

LAST = 30
SIGNALS = (  # at a checkpoint of this step or a later one, which process, how
    (6, 2, signal.SIGTERM, {"data": 2, "fsdp": 4}),
    (16, 3, signal.SIGKILL, {"data": 1, "fsdp": 2, "tensor": 2, "sequence": 2}),
)


def main() -> None:
    """Run both, compare, and write down and print what came of it."""
    arguments = elastic.parse()
    work = arguments.work.resolve()
    elastic.FLAGS |= {"config.data.path": arguments.data, "config.train.checkpoint_every": 2}
    elastic.run(work / "alone", LAST, 1, {}, work / "logs_alone")
    if (work / "alone" / "corpus").exists():  # prepared once
        elastic.FLAGS["config.data.path"] = str(work / "alone" / "corpus")
    run, logs, record = work / "disturbed", work / "logs_disturbed", []
    checkpoints = Checkpoints(run / "checkpoints", keep=2)
    for number, (step, index, kind, mesh) in enumerate(SIGNALS):
        at = logs / str(number)
        processes = elastic.start(run, LAST, elastic.PROCESSES, mesh, at)
        while max(checkpoints.steps(), default=0) < step:
            if any(process.poll() is not None for process in processes):
                raise SystemExit(f"a process left before step {step}; see {at}")
            time.sleep(0.05)
        processes[index].send_signal(kind)
        since = time.monotonic()
        codes = [process.wait() for process in processes]
        record.append(
            {
                "signal": kind.name,
                "to": index,
                "mesh": mesh,
                "codes": codes,
                "seconds_until_all_left": round(time.monotonic() - since, 1),
                "saved": checkpoints.steps()[-1],
            }
        )
    elastic.run(run, LAST, 2, {"data": 4}, logs / "end")
    alone, disturbed = elastic.lines(work / "alone"), elastic.lines(run)
    assert alone.keys() == disturbed.keys()  # every step once, none lost, none twice
    record.append({"processes": 2, **elastic.compare(alone, disturbed, 0, LAST)})
    elastic.tell(record, arguments.results, "disturbed")


if __name__ == "__main__":
    main()
