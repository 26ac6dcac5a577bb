"""Write the report of one or several runs: `python -m bert_jax.report RUN [RUN ...]`."""

import argparse
import sys
from pathlib import Path

from bert_jax.errors import BertJaxError, DiskError
from bert_jax.report import write_report


def main(arguments: list[str] | None = None) -> int:
    """Write each run's report and print its path; return the first error's exit code, or 0."""
    parser = argparse.ArgumentParser(
        prog="python -m bert_jax.report",
        description="Write RUN/report.html, one self-contained page, and print its path.",
    )
    parser.add_argument("run", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    code = 0
    for folder in parser.parse_args(arguments).run:
        try:
            print(write_report(folder))
        except BertJaxError as error:
            print(f"error: {error}", file=sys.stderr)
            code = code or error.exit_code
        except OSError as error:
            print(f"error: {error.filename or folder}: {error.strerror}", file=sys.stderr)
            code = code or DiskError.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
