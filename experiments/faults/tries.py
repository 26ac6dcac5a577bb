"""A campaign: numbered tries, each with random numbers of its own, sorted by what happened."""

import collections
import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN = 20  # bad tries that a record names


class Skipped(Exception):
    """A campaign that this machine cannot run, with the reason."""


@dataclass(frozen=True)
class Try:
    """One of a campaign's tries.

    Attributes:
        number: from 0.
        draw: depends on the seed, the campaign and the number alone.
        folder: its own, empty; it stays where the try went wrong.
    """

    number: int
    draw: random.Random
    folder: Path


@dataclass(frozen=True)
class Result:
    """What became of a try.

    Attributes:
        kind: what happened, in a few words.
        good: whether that is what was asked.
        detail: what to know of it where it is not.
        counts: numbers to be added up over all tries.
    """

    kind: str
    good: bool
    detail: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Campaign:
    """What is tried, how often, and what is asked.

    Attributes:
        asked: the figure, in words.
        tries: how many; None: one for each thing that was prepared.
        short: how many in the short form.
        prepare: makes what all tries share, in a folder.
        attempt: does one.
    """

    asked: str
    tries: int | None
    short: int
    prepare: Callable[[Path], Any]
    attempt: Callable[[Any, Try], Result]


def run(
    name: str,
    campaign: Campaign,
    work: Path,
    *,
    seed: int = 0,
    short: bool = False,
    only: int | None = None,
) -> dict[str, Any]:
    """Run a campaign and return its record.

    Args:
        name: the campaign's.
        campaign: what to do.
        work: a folder for it; what is prepared there is found again.
        seed: another one makes other tries.
        short: a few tries, spread over all.
        only: the number of the one try to make.
    """
    begun = (time.perf_counter(), time.process_time())
    record: dict[str, Any] = {"campaign": name, "asked": campaign.asked, "seed": seed}
    work.mkdir(parents=True, exist_ok=True)
    try:
        shared = campaign.prepare(work)
    except Skipped as reason:
        return record | {"skipped": str(reason), "passed": None}
    full = len(shared) if campaign.tries is None else campaign.tries
    numbers = [only] if only is not None else choose(full, campaign.short if short else full)
    kinds: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    bad = []
    for number in numbers:
        folder = work / f"try_{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        draw = random.Random(f"{seed} {name} {number}")
        result = campaign.attempt(shared, Try(number, draw, folder))
        kinds[result.kind] += 1
        counts.update(result.counts)
        if result.good:
            shutil.rmtree(folder)
        else:
            detail = result.detail.replace(str(folder), "TRY")
            bad.append({"try": number, "kind": result.kind, "detail": detail})
            print(f"{name} {number}: {result.kind}: {result.detail}", flush=True)
    return record | {
        "tries": len(numbers),
        "of": full,
        "kinds": dict(kinds.most_common()),
        "counts": dict(counts),
        "bad": len(bad),
        "bad_tries": bad[:_SHOWN],
        "passed": not bad,
        "seconds": round(time.perf_counter() - begun[0], 1),
        "own_processor_seconds": round(time.process_time() - begun[1], 1),
    }


def choose(full: int, count: int) -> list[int]:
    """Choose so many of all numbers, evenly spread."""
    return sorted({i * full // count for i in range(min(full, count))})
