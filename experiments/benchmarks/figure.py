"""The figure of a record: how much everyone does in a second, round by round."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Draw a bar a contestant, with a dot for each round."""
    case, unit = record["case"], record["unit"]
    counts = {name: about[unit] for name, about in record["about"].items()}
    speeds = {
        name: counts[name] / np.array(seconds)
        for name, seconds in record["seconds_per_step"].items()
    }
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(speeds) + 1.2), layout="constrained")
    for place, (name, rounds) in enumerate(speeds.items()):
        color = "#1f6f8b" if name.startswith("ours") else "#b8b8b8"
        axes.barh(place, np.median(rounds), color=color, height=0.7)
        axes.plot(rounds, np.full(len(rounds), place), ".", color="#333333", markersize=3)
    axes.set_yticks(range(len(speeds)), speeds.keys())
    axes.invert_yaxis()
    limit = "" if unit == "tokens" else "up to "
    axes.set_xlabel(f"{unit} per second")
    axes.set_title(
        f"{case['size']}, {case['batch_size']} rows of {limit}{case['max_seq_length']}, "
        f"{record['machine']['cores']} cores of {record['machine']['processor']}",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
