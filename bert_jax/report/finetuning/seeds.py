"""The page of several runs of one task that differ in their seed alone."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, median, stdev

from bert_jax.report.files import as_count, as_dict, as_text, read_json
from bert_jax.report.finetuning.measures import Measure, measure
from bert_jax.report.finetuning.run import read_intervals, read_numbers, seeds_of
from bert_jax.report.frame import frame, section
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.report.points import draw_repeats
from bert_jax.report.tile import tile

PAGE = "report.html"
_MAX_FIGURES = 6
_SPREAD = (
    "Runs that differ in nothing but the seed (of the new head, the order of examples, dropout) "
    "come out differently. The line is the mean, the band its standard error: two settings whose "
    "bands overlap have not been told apart."
)
_FAILED = (
    "Failed is a run whose numbers were no longer finite, and one whose best model is no better "
    "than saying the same of every example. The means are of all runs that have a score; a few "
    "that failed hardly move the median."
)


@dataclass(frozen=True)
class Seeds:
    """What the runs of several seeds came to; a run that goes on has no metrics yet."""

    name: str
    task: str
    command: str
    total: int  # seeds that there are to be
    by_seed: dict[str, dict[str, float]]
    means: dict[str, float]
    errors: dict[str, float]  # standard errors of the means
    medians: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95%, of the medians
    failed: dict[str, str]  # by seed, why
    judged: bool  # whether it is known of all which failed
    pages: frozenset[str]  # the seeds that have a page of their own
    problems: tuple[str, ...]

    def measure(self, name: str) -> Measure:
        """Describe a metric."""
        return measure(name, "exact_match" in self.means)

    @property
    def ended(self) -> int:
        """How many seeds have a score, or have failed without one."""
        return sum(bool(found) or seed in self.failed for seed, found in self.by_seed.items())

    def values(self, name: str) -> dict[str, float]:
        """Return a metric of each seed that has it."""
        return {seed: found[name] for seed, found in self.by_seed.items() if name in found}


def read_seeds(folder: Path) -> Seeds:
    """Read the scores of several seeds, those of all of them or of each."""
    problems: list[str] = []
    score = as_dict(read_json(folder / "score.json", problems))
    by_seed = {seed: read_numbers(found) for seed, found in as_dict(score.get("by_seed")).items()}
    info = as_dict(read_json(folder / "run.json", problems))
    wanted = as_count(as_dict(read_json(folder / "config.json", problems)).get("num_seeds"))
    task, pages = as_text(score.get("task") or info.get("task")), set()
    failed = {seed: as_text(reason) for seed, reason in as_dict(score.get("failed")).items()}
    for path in seeds_of(folder):
        seed = path.name.removeprefix("seed_")
        own = as_dict(read_json(path / "score.json", problems))
        by_seed.setdefault(seed, read_numbers(own.get("metrics")))
        of_run = as_dict(read_json(path / "run.json", []))
        task = task or as_text(of_run.get("task"))
        if of_run.get("status") == "failed":
            failed.setdefault(seed, as_text(of_run.get("error")))
        if (path / PAGE).is_file():
            pages.add(seed)
    names = dict.fromkeys(name for found in by_seed.values() for name in found)
    values = {name: [found[name] for found in by_seed.values() if name in found] for name in names}
    errors = {
        name: stdev(found) / len(found) ** 0.5 for name, found in values.items() if len(found) > 1
    }
    return Seeds(
        name=folder.resolve().name,
        task=task,
        command=as_text(score.get("command") or info.get("command")),
        total=max(len(by_seed), wanted or 0),
        by_seed=by_seed,
        means={name: fmean(found) for name, found in values.items()}
        | read_numbers(score.get("metrics")),
        errors=errors | read_numbers(score.get("standard_errors")),
        medians={name: median(found) for name, found in values.items()}
        | read_numbers(score.get("medians")),
        intervals=read_intervals(score.get("median_intervals_95")),
        failed=failed,
        judged="failed" in score,
        pages=frozenset(pages),
        problems=tuple(problems),
    )


def render_seeds(seeds: Seeds, written: datetime) -> str:
    """Return the whole page as HTML."""
    done = seeds.ended
    finished = done == seeds.total
    words = "finished" if finished else f"{done} of {seeds.total} seeds"
    pill = element("span", words, class_=f"pill {'finished' if finished else 'other'}")
    lede = f"A BERT fine-tuned on {seeds.task or 'a task'} with {seeds.total} seeds. "
    lede += "The scores are their means." if done else "None has been scored yet."
    if seeds.judged:
        lede += f" {len(seeds.failed) or 'None'} of them failed."
    problems = [element("li", problem) for problem in seeds.problems]
    return frame(
        seeds.name,
        header=[element("h1", seeds.name, " ", pill), element("p", lede, class_="lede")],
        main=[
            element("aside", element("ul", *problems), class_="notes") if problems else None,
            _tiles(seeds),
            section("Seed by seed", _table(seeds)),
            section("Runs that failed", _failures(seeds)),
            section("How much the seed matters", _figures(seeds)),
            section("To look things up", element("pre", seeds.command) if seeds.command else None),
        ],
        written=written,
    )


def _failures(seeds: Seeds) -> Content:
    if not seeds.failed:
        return None
    reasons = [element("li", f"seed {seed}: {reason}") for seed, reason in seeds.failed.items()]
    return [element("p", _FAILED, class_="explain"), element("ul", *reasons)]


def _shown(seeds: Seeds) -> list[str]:
    """Choose the metrics that are scores and not those of a type of entity."""
    return [
        name
        for name in seeds.means
        if seeds.measure(name).bounded and not name.startswith("f1_") and seeds.values(name)
    ][:_MAX_FIGURES]


def _tiles(seeds: Seeds) -> Markup | None:
    found = []
    for name in _shown(seeds):
        measure, mean = seeds.measure(name), seeds.means[name]
        text = f"± {measure.write(seeds.errors[name])}" if name in seeds.errors else "one seed"
        found.append(tile(_label(seeds, name), measure.write(mean), text, measure.share(mean)))
    return element("div", *found, class_="tiles") if found else None


def _table(seeds: Seeds) -> Content:
    names = list(seeds.means)
    rows: list[list[Content]] = []
    for seed, metrics in seeds.by_seed.items():
        title: Content = f"seed {seed}"
        if seed in seeds.pages:
            title = element("a", title, href=f"seed_{seed}/{PAGE}")
        if seed in seeds.failed:
            title = [title, " (failed)"]
        elif not metrics:
            title = [title, " (no score yet)"]
        rows.append([title, *(_cell(seeds, metrics, name) for name in names)])
    rows.append(["mean", *(_cell(seeds, seeds.means, name) for name in names)])
    rows.append(["standard error", *(_cell(seeds, seeds.errors, name) for name in names)])
    rows.append(["median", *(_cell(seeds, seeds.medians, name) for name in names)])
    rows.append(["its 95% interval", *(_interval(seeds, name) for name in names)])
    rows = rows if names else rows[:-4]
    return table(("", *(_label(seeds, name) for name in names)), rows, "numbers")


def _cell(seeds: Seeds, metrics: dict[str, float], name: str) -> str:
    return seeds.measure(name).write(metrics[name]) if name in metrics else "–"


def _interval(seeds: Seeds, name: str) -> str:
    ends = seeds.intervals.get(name)
    return " to ".join(map(seeds.measure(name).write, ends)) if ends else "–"


def _figures(seeds: Seeds) -> Content:
    drawn = []
    for number, name in enumerate(_shown(seeds)):
        label = _label(seeds, name)
        svg = draw_repeats(
            list(seeds.values(name).values()),
            mean=seeds.means[name],
            error=seeds.errors.get(name),
            unit="percent" if seeds.measure(name).in_percent else "number",
            key=f"seeds-{number}",
            description=f"{label} of each seed",
        )
        drawn.append(element("figure", element("h3", label), svg, class_="narrow"))
    if not drawn:
        return None
    return [element("p", _SPREAD, class_="explain"), element("div", *drawn, class_="grid")]


def _label(seeds: Seeds, name: str) -> str:
    split = name.rpartition("/")[0].replace("_", " ")
    label = seeds.measure(name).label
    return f"{label}, {split}" if split else label
