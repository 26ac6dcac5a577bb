"""The flags that the experiments share, and what they change in a comparison."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from experiments.finetuning.comparisons import Comparison

SMALLER = ("rows", "epochs", "seeds")  # all of them 0: as the table says


def make_parser(docstring: str | None, *folders: str) -> argparse.ArgumentParser:
    """Make a parser that wants these folders, and takes what makes an experiment smaller."""
    parser = argparse.ArgumentParser(description=(docstring or "").partition("\n")[0])
    for name in folders:
        parser.add_argument(f"--{name}", required=True, type=Path)
    for name in SMALLER:
        parser.add_argument(f"--{name}", type=int, default=0)
    return parser


def changed(comparison: Comparison, arguments: argparse.Namespace, **fields: Any) -> Comparison:
    """Change a line, and change it further as the flags say; rows are those of both splits."""
    given = {name: getattr(arguments, name) for name in SMALLER if getattr(arguments, name)}
    if "rows" in given:
        given["held_out"] = given["rows"]
    return dataclasses.replace(comparison, **{**fields, **given})
