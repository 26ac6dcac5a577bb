"""A side of a comparison as a process of its own, timed as a whole."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bert_jax.heap import ALLOCATOR

ROOT = Path(__file__).resolve().parents[2]
# No network; and the allocator that our entries choose for themselves, for the other side too.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "GLIBC_TUNABLES": ALLOCATOR}


def run_once(command: list[str], folder: Path) -> float:
    """Run a command that writes into a folder, unless it has; return its seconds.

    What an interrupted run left in the folder is removed, so that the seconds are those of all of
    it. What it prints goes to a file beside the folder.

    Raises:
        SystemExit: the command failed, or what has finished there was another one.
    """
    done, log = folder.with_suffix(".done.json"), folder.with_suffix(".log")
    if done.exists():
        before = json.loads(done.read_text())
        if before["command"] != command:
            sys.exit(f"{folder}: finished with other settings; remove {done} to run it again")
        return before["wall_seconds"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"{folder.name}: began {time.strftime('%H:%M:%S')}", flush=True)
    begun = time.perf_counter()
    with open(log, "w") as file:
        status = subprocess.run(
            command, cwd=ROOT, env=os.environ | ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    seconds = time.perf_counter() - begun
    if status:
        last = log.read_text(errors="replace").splitlines()[-20:]
        sys.exit("\n".join([*last, f"{folder.name}: exit code {status}; see {log}"]))
    done.write_text(json.dumps({"wall_seconds": seconds, "command": command}) + "\n")
    print(f"{folder.name}: {seconds:,.0f} s", flush=True)
    return seconds
