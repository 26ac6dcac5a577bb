"""Write the page of a run, or of several beside each other.

`python -m bert_jax.report RUN` writes RUN/report.html; `python -m bert_jax.report RUN RUN ...
--output=PAGE` compares them.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bert_jax.errors import BertJaxError, ConfigError, DiskError
from bert_jax.report import write_report

_PAGE = Path("comparison.html")


def main(arguments: list[str] | None = None) -> int:
    """Write a page, print its path, and of several runs what is better; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bert_jax.report",
        description="Write RUN/report.html, one self-contained page, and print its path. Of "
        "several runs: write one page that compares the others with the first, and print verdicts.",
    )
    parser.add_argument("run", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PAGE",
        help=f"where the page of several runs is written, by default {_PAGE}",
    )
    flags = parser.parse_args(arguments)
    folder = flags.run[0]
    try:
        if len(flags.run) > 1:
            _compare(flags.run, flags.output or _PAGE)
        elif flags.output:
            raise ConfigError(
                f"--output={flags.output}: the page of one run stands in its folder; name a run "
                "to compare it with, or leave --output out"
            )
        else:
            print(write_report(folder))
    except BertJaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error.filename or folder}: {error.strerror}", file=sys.stderr)
        return DiskError.exit_code
    return 0


def _compare(folders: Sequence[Path], target: Path) -> None:
    # With these comes NumPy.
    from bert_jax.report.comparison.page import write_comparison
    from bert_jax.report.comparison.runs import read_comparison
    from bert_jax.report.comparison.verdict import judge

    comparison = read_comparison(folders)
    verdicts = judge(comparison)
    write_comparison(comparison, verdicts, target, datetime.now().astimezone())
    for verdict in verdicts:
        if verdict.primary:
            print(verdict.words)
    print(target)


if __name__ == "__main__":
    sys.exit(main())
