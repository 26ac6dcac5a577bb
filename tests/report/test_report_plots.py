"""Lines are thinned and averaged honestly; figures fit into a page."""

import re
from xml.etree import ElementTree

import pytest

from bert_jax.report.plots import Line, Reference, draw_curves, draw_histogram, smooth, thin
from bert_jax.report.points import draw_points, draw_repeats
from bert_jax.report.run import Series


def _series(values: list[float]) -> Series:
    return Series(tuple(range(10, 10 + len(values))), tuple(values))


def test_thinning_keeps_ends_and_every_spike():
    values = [5.0] * 100_000
    values[41_234], values[77_777] = 50.0, -3.0
    thinned = thin(_series(values))
    assert len(thinned) <= 600
    assert (thinned.steps[0], thinned.steps[-1]) == (10, 100_009)
    assert dict(zip(thinned.steps, thinned.values, strict=True))[41_244] == 50.0
    assert min(thinned.values) == -3.0
    assert list(thinned.steps) == sorted(set(thinned.steps))


def test_a_short_line_is_not_thinned():
    series = _series([float(i) for i in range(600)])
    assert thin(series) is series


def test_smoothing_averages_neighbours():
    means = smooth(_series([0.0, 1.0] * 50), share=0.1).values
    assert means[0] == 0.0  # nothing before it to average with
    assert all(0.4 <= value <= 0.6 for value in means[5:-5])


def test_smoothing_leaves_a_straight_line_straight_up_to_the_end():
    values = [float(i) for i in range(200)]
    assert smooth(_series(values)).values[:190] == pytest.approx(values[:190])


def _curve(key: str, **options) -> str:
    lines = [Line(split, _series([3.0, 2.0, 1.5])) for split in ("train", "validation")]
    return draw_curves(lines, key=key, description="Loss & <more>", **options)


def test_a_figure_is_well_formed_and_says_what_it_is():
    root = ElementTree.fromstring(_curve("loss", reference=Reference(2.5, "")))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Loss & <more>"


def test_a_figure_takes_every_colour_and_font_from_the_page():
    svg = _curve("loss", reference=Reference(2.5, ""))
    assert "var(--validation)" in svg and "var(--baseline)" in svg
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    assert "DejaVu" not in svg
    assert "<style" not in svg


def test_names_in_two_figures_never_clash_and_all_resolve():
    first, second = _curve("one"), _curve("two")
    ids = [re.findall(r' id="([^"]+)"', svg) for svg in (first, second)]
    assert ids[0] and not set(ids[0]) & set(ids[1])
    for svg, names in zip((first, second), ids, strict=True):
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {
            pair for name in names for pair in ((name, ""), ("", name))
        }


def test_the_same_data_gives_the_same_bytes():
    assert _curve("loss") == _curve("loss")


def test_a_reference_far_from_the_curves_is_in_the_picture():
    svg = _curve("share", scale="zero", unit="percent", reference=Reference(40.0, ""))
    assert "4000%" in svg


def test_one_point_and_a_constant_are_drawn():
    for values in ([1.0], [0.0, 0.0, 0.0]):
        svg = draw_curves(
            [Line("validation", _series(values))], key="k", description="d", scale="zero"
        )
        assert "var(--validation)" in svg


def test_one_point_stands_at_the_end_of_its_run():
    series = Series((250,), (46.6,))
    svg = draw_curves([Line("validation", series)], key="k", description="d")
    ticks = re.findall(r">(\d+)</text>", svg)
    assert ticks[0] == "0"


def test_a_histogram_has_a_bar_for_each_count():
    svg = draw_histogram([1, 5, 10], [3, 8, 2], key="h", description="lengths")
    assert svg.count("var(--validation)") == 3
    assert ">10<" in svg


def test_the_best_is_ringed_where_it_was_held_out():
    assert "var(--right)" in _curve("loss", best=11)
    assert "var(--right)" not in _curve("loss", best=99) + _curve("loss")


def test_points_lie_beside_the_line_on_which_both_values_agree():
    svg = draw_points([(0.0, 1.0), (2.0, 2.0)], key="p", description="d", labels=("x", "y"))
    height = float(ElementTree.fromstring(svg).get("viewBox", "").split()[3])
    dots = [tuple(map(float, dot)) for dot in re.findall(r'<use[^>]* x="([^"]+)" y="([^"]+)"', svg)]
    (x1, y1), (x2, y2) = dots[-2:]
    line = re.search(r'd="M ([^ ]+) ([^ ]+) \nL ([^ ]+) ([^ ]+) \n?"[^>]*stroke-dasharray', svg)
    assert line is not None
    left, bottom, right, top = map(float, line.groups())

    def on_the_line(x: float) -> float:
        return bottom + (x - left) / (right - left) * (top - bottom)

    assert y2 == pytest.approx(on_the_line(x2), abs=0.01)
    assert 0 < y1 < on_the_line(x1) - 20 < height  # above it: heights grow downward


def test_repeats_have_a_dot_each_and_a_band():
    options = {"mean": 2.0, "key": "r", "description": "d"}
    svg = draw_repeats([1.0, 2.0, 3.0], error=0.5, **options)
    dots = svg.count("<use")
    assert draw_repeats([1.0, 2.0, 3.0, 2.5], error=0.5, **options).count("<use") == dots + 1
    assert len(draw_repeats([1.0, 2.0, 3.0], error=None, **options)) < len(svg)
