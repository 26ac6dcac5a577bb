"""A small run planned, from one compiled step."""

import dataclasses
import json
from datetime import datetime

import pytest

from bert_jax.errors import ConfigError
from bert_jax.planning import phase_plan, planning
from bert_jax.planning.compiling import TooLarge, counted_flops
from bert_jax.planning.memory import bytes_on_a_device, memory_of
from bert_jax.planning.planning import Options, plan
from bert_jax.report.plan.page import render_plan, write_plan
from bert_jax.report.plan.text import as_text, verdict

OPTIONS = Options(chips=(1, 4, 8, 16, 64), watts=200.0, price=2.0)


@pytest.fixture(scope="module")
def make_plan(planned_config, target, compiled):
    """A function (changes of the chip) that plans the small run; nothing is compiled again."""

    def make(options=OPTIONS, compile_step=lambda *_: compiled, **changes):
        devices = dataclasses.replace(target, chip=dataclasses.replace(target.chip, **changes))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(phase_plan, "compile_step", compile_step)
            patch.setattr(phase_plan, "counted_flops", lambda *_: 7e7)
            return plan(planned_config(), devices, options)

    return make


@pytest.fixture(scope="module")
def made(make_plan):
    return make_plan()


def test_our_sums_are_the_arguments_that_the_compiler_counts(compiled, small_step):
    step = small_step()
    batch = bytes_on_a_device(step.abstract_batch(step.plan.phases[0]))
    ours = bytes_on_a_device(step.abstract_state) + batch
    assert ours == pytest.approx(compiled.arguments, abs=64)  # two scalars, and padding
    memory = memory_of(step, step.plan.phases[0], 1e9, compiled)
    kernel = step.abstract_state.params["bert"]["encoder"]["layer_0"]["attention"]["query"]
    assert bytes_on_a_device(kernel["kernel"]) == 32 * 32 * 4 // 4  # cut over tensor
    assert memory.optimizer == pytest.approx(2 * memory.parameters, abs=64)
    assert memory.activations == memory.temporary - memory.gradients
    assert memory.peak >= compiled.arguments + compiled.temporary


def test_the_count_of_xla_is_near_the_formula_where_products_outweigh_the_rest(small_step):
    step = small_step(
        {
            "model.hidden_size": 512,
            "model.num_hidden_layers": 2,
            "model.intermediate_size": 1024,
            "model.hidden_dropout_prob": 0.0,
            "model.attention_probs_dropout_prob": 0.0,
            "train.gradient_accumulation": 4,
            "scan_layers": True,
            "rematerialize": "layer",
        }
    )
    phase = step.plan.phases[0]
    assert counted_flops(step, phase) == pytest.approx(step.flops(phase), rel=0.05)


def test_a_plan_is_data_with_all_its_parts(made):
    json.dumps(made, allow_nan=False)
    (phase,) = made["phases"]
    assert made["fits"] and phase["memory"]["fits"]
    assert phase["flops"]["formula"] == pytest.approx(sum(phase["flops"]["products"].values()))
    time = phase["time"]
    assert time["compute"] == pytest.approx(phase["flops"]["formula"] / 8 / 5e11)
    assert time["memory"] == pytest.approx(phase["moved"] / 1e10)
    assert time["least"] == max(time["compute"], time["memory"], time["links"])
    assert time["most"] == time["compute"] + time["memory"] + time["links"]
    run = made["run"]
    assert run["seconds"] == pytest.approx([30 * time["least"], 30 * time["most"]])
    hours = [8 * seconds / 3600 for seconds in run["seconds"]]
    assert run["device_hours"] == pytest.approx(hours)
    assert run["kilowatt_hours"] == pytest.approx([0.2 * hour for hour in hours])
    assert run["price"] == pytest.approx([2 * hour for hour in hours])


def test_half_the_peak_is_twice_the_time_of_products_at_the_same_utilisation_of_it(make_plan, made):
    half = make_plan(dataclasses.replace(OPTIONS, efficiency=0.5))["phases"][0]["time"]
    time = made["phases"][0]["time"]
    assert half["compute"] == pytest.approx(2 * time["compute"])
    assert half["useful"] == time["useful"] and half["memory"] == time["memory"]


def test_more_devices_have_as_much_to_do_each(made):
    scaling = made["phases"][0]["scaling"]
    # One device cannot hold what four share; the others keep tensor=4 and gain data.
    assert [(s["devices"], s["mesh"]["data"], s["rows"]) for s in scaling] == [
        (4, 1, 4), (8, 2, 8), (16, 4, 16), (64, 16, 64),
    ]  # fmt: skip
    assert [s["most"] for s in scaling] == sorted(s["most"] for s in scaling)
    # Four fill a domain: gradients are reduced over the network, 2 (n - 1) / n of them.
    links = [s["most"] - scaling[0]["most"] for s in scaling[1:]]
    assert links[1] / links[0] == pytest.approx(1.5) and links[2] / links[0] == pytest.approx(1.875)


def test_what_does_not_fit_says_so_with_what_to_change(make_plan, compiled):
    small = make_plan(memory=1e6)
    assert not small["fits"]
    advice = small["phases"][0]["advice"]
    for field in ("fsdp=2", "rematerialize=layer", "gradient_accumulation=2", "batch_size=4"):
        assert any(field in text for text in advice), field
    line = verdict(small)
    assert line.startswith("does not fit on 8 x ") and advice[0] in line
    assert "of 500.00 kB a device" in line
    assert "To make it fit: " in as_text(small)

    def refuse(*_):
        raise TooLarge(6e8)

    refused = make_plan(compile_step=refuse)
    assert not refused["fits"] and refused["phases"][0]["time"] is None
    assert "600.00 MB of 500.00 MB" in verdict(refused)
    json.dumps(refused, allow_nan=False)
    assert as_text(refused) and render_plan(refused, datetime(2026, 1, 1))


def test_the_largest_batch_is_one_that_fits_beside_one_that_does_not(make_plan, compiled):
    def grown(step, phase, target):
        rows = phase.batch_size // 2  # two parts of a batch
        if rows > 1000:
            raise TooLarge(None)
        return dataclasses.replace(compiled, peak=1_000_000 * rows)

    options = dataclasses.replace(OPTIONS, largest_batch=True)
    largest = make_plan(options, grown)["phases"][0]["largest"]
    assert largest["fits"] == 500 and 500 < largest["next"] <= 510
    tight = make_plan(options, grown, memory=1e10)["phases"][0]["largest"]  # the compiler knows
    assert 980 <= tight["fits"] <= 1000 < tight["next"]


def test_text_and_page_show_every_part(made, tmp_path):
    text = as_text(made)
    for part in ("fits on 8 x", "MEMORY", "ARITHMETIC", "all-reduce", "MORE DEVICES", "kWh",
                 "no prepared corpus yet", "a note"):  # fmt: skip
        assert part in text, part
    assert max(map(len, text.splitlines())) < 140
    page = write_plan(made | {"command": "python -m <plan>"}, tmp_path / "new")
    html = page.read_text(encoding="utf-8")
    assert html.rstrip().endswith("</html>") and "python -m &lt;plan&gt;" in html
    assert html.count("<svg") == 1 and "What devices send each other" in html
    assert json.loads((page.parent / "plan.json").read_text())["fits"] is True


def test_a_vocabulary_is_the_prepared_corpus_s_or_else_the_config_s(
    planned_config, corpus_directory
):
    config = planned_config({"data.path": str(corpus_directory)})
    found, note = planning._vocabulary(config)
    assert found.size <= 64 and str(corpus_directory) in note
    wider = planned_config({"model.vocab_size": 128})
    assert planning._vocabulary(wider)[0].size == 128


def test_a_batch_that_the_mesh_does_not_divide_is_refused_as_in_a_run(planned_config, target):
    with pytest.raises(ConfigError, match=r"gives 7 rows, which the mesh's 2 parts"):
        plan(planned_config({"train.batch_size": 7}), target, OPTIONS)
