"""What is compared: a line each, with how much of the data it takes and how it is trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LINEAR = {"ours": {}}
LINEAR_AND_CRF = LINEAR | {"ours_crf": {"data.tagging.head": "crf"}}


@dataclass(frozen=True)
class Comparison:
    """One line.

    Attributes:
        task: behind the colon of `configs/finetune.py`.
        metrics: the first is what the two sides are judged by.
        rows: to train on; 0: all.
        held_out: to score; 0: all.
        epochs: whole ones.
        batch_size: rows.
        learning_rate: at the end of warm-up.
        max_seq_length: tokens; longer rows are cut.
        seeds: 0 up to this.
        random_size: of a model drawn at random, with the Chinese vocabulary; "": begin with the
            weights given.
        ours: what to run of ours, by the name it is kept under, with the fields it changes.
    """

    task: str
    metrics: tuple[str, ...]
    rows: int
    held_out: int
    epochs: int
    batch_size: int
    learning_rate: float
    max_seq_length: int = 128
    seeds: int = 3
    random_size: str = ""
    ours: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: LINEAR)

    @property
    def rows_folder(self) -> str:
        """Name the folder of the rows; another choice of them has another."""
        return f"rows_{self.rows or 'all'}_{self.held_out or 'all'}"


# By the names in `sources.SOURCES`: rows, held out, epochs, batch size, rate, and what is special.
COMPARISONS = {
    "sst2": Comparison("own", ("accuracy",), 8000, 0, 1, 32, 5e-5),
    "mrpc": Comparison("own", ("f1", "accuracy"), 0, 0, 2, 16, 1e-4),
    "cola": Comparison("own", ("matthews", "accuracy"), 6000, 0, 2, 32, 1e-4),
    "qnli": Comparison("own", ("accuracy",), 2000, 0, 2, 16, 1e-4),
    "chnsenticorp": Comparison(
        "own", ("accuracy", "macro_f1"), 0, 0, 2, 32, 3e-4, random_size="tiny"
    ),
    "squad": Comparison("squad1", ("f1", "exact_match"), 1500, 1000, 2, 12, 1e-4, 384, seeds=1),
    "wnut17": Comparison("tags", ("f1",), 0, 0, 2, 16, 1e-4, ours=LINEAR_AND_CRF),
    "msra": Comparison(
        "tags", ("f1",), 6000, 2000, 3, 16, 5e-4, random_size="tiny", ours=LINEAR_AND_CRF
    ),
}
