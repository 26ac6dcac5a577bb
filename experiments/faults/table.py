"""Print the table of the README from the records.

python -m experiments.faults.table experiments/faults/results
"""

import json
import sys
from pathlib import Path
from typing import Any

from experiments.faults.names import NAMES

_COLUMNS = ("campaign", "asked", "tries", "what happened", "as asked")


def main(results: Path) -> None:
    """Print a line for each campaign; those that were not run say so."""
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    for name in NAMES:
        path = results / f"{name}.json"
        record = json.loads(path.read_text()) if path.exists() else {}
        print(f"| {' | '.join(row(name, record))} |")


def row(name: str, record: dict[str, Any]) -> tuple[str, ...]:
    """Give the cells of a campaign's line."""
    if not record:
        return name, "", "", "not yet run", ""
    if "skipped" in record:
        return name, record["asked"], "", f"left out: {record['skipped']}", ""
    counts = {**record["kinds"], **record["counts"]}
    happened = "; ".join(f"{kind}: {count:,}" for kind, count in counts.items())
    passed = "yes" if record["passed"] else f"no, {record['bad']} not"
    return name, record["asked"], f"{record['tries']:,}", happened, passed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
