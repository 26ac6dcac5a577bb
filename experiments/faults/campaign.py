"""Do to runs and files what days and other people do to them, and count what comes of it.

    python -m experiments.faults.campaign [NAME ...] --work=DIR \\
        --results=experiments/faults/results [--short] [--seed=N] [--only=TRY]

Without NAMEs all campaigns are run. Each leaves a record, NAME.json; `--short` makes a few tries of
each and leaves none. `--only` makes one try again, by its number. Exits with 1 where a campaign did
not show what it was to show.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from absl import logging

from experiments.faults import tries
from experiments.faults.names import NAMES, load
from experiments.faults.processes import SETTINGS


def main(arguments: argparse.Namespace) -> int:
    """Run the campaigns asked for."""
    failed = []
    for name in arguments.names or NAMES:
        record = tries.run(
            name,
            load(name),
            arguments.work.resolve() / name,
            seed=arguments.seed,
            short=arguments.short,
            only=arguments.only,
        )
        print(json.dumps(record, indent=2), flush=True)
        if not arguments.short and arguments.only is None:
            arguments.results.mkdir(parents=True, exist_ok=True)
            path = arguments.results / f"{name}.json"
            path.write_text(json.dumps(record, indent=2) + "\n")
        failed += [name] if record["passed"] is False else []
    if failed:
        print(f"not as asked: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--work", required=True, type=Path, help="folder for what is made")
    parser.add_argument("--results", type=Path, default=Path("experiments/faults/results"))
    parser.add_argument("--short", action="store_true", help="a few tries of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of the one try to make")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"{name}: no such campaign; there are {', '.join(NAMES)}")
    return arguments


if __name__ == "__main__":
    os.environ.update(SETTINGS)  # before a campaign imports JAX
    logging.set_verbosity(logging.ERROR)  # what is odd about a text is not news here
    sys.exit(main(parse()))
