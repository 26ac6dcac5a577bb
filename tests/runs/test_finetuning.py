"""Whole fine-tuning runs: what is learnt, kept and written, and when they end."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax
from bert_jax import cli
from bert_jax.errors import DataError
from bert_jax.interop.published import Published
from bert_jax.model import BertConfig, Execution, initialize, make_model
from bert_jax.runs.best_model import BestModel
from bert_jax.runs.finetuning import intervals_of
from bert_jax.runs.finetuning_config import TaskTraining
from bert_jax.runs.starting_model import with_head
from bert_jax.runs.task_score import in_words
from bert_jax.training.checkpoints import Checkpoints, load_arrays
from bert_jax.training.state import flatten, nest


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluations(workdir):
    found = [line for line in lines(workdir / "metrics.jsonl") if line["split"] == "validation"]
    return {line["step"]: line for line in found}


def kept_step(workdir):
    (step,) = Checkpoints(workdir / "checkpoints", keep=1).steps()
    return step


def test_a_run_learns_and_writes_its_score(toy_run, toy_task):
    score = json.loads((toy_run / "score.json").read_text())
    predictions = lines(toy_run / "predictions_validation.jsonl")
    rows = (toy_task / "dev.tsv").read_text().splitlines()[1:]
    assert [f"{line['text']}\t{line['label']}" for line in predictions] == rows
    right = np.mean([line["prediction"] == line["label"] for line in predictions])
    assert score["metrics"].keys() == {"accuracy", "macro_f1"}
    assert score["metrics"]["accuracy"] == right > 0.6
    low, high = score["intervals_95"]["accuracy"]
    assert 0.3 < low < right < high <= 1
    assert len(score.pop("data_fingerprint")) == 64
    del score["metrics"], score["intervals_95"]
    assert score == {
        "task": "own",
        "seeds": [0],
        "examples": {"validation": 37, "test": 9},
        "command": "the command",
    }


def test_seeds_are_runs_of_their_own_and_their_mean(toy_run, finetune, tmp_path):
    changes = {"num_seeds": 2}
    assert finetune(tmp_path / "run", changes) == 0
    one, other = (
        json.loads((tmp_path / "run" / f"seed_{seed}" / "score.json").read_text())
        for seed in (0, 1)
    )
    assert one == json.loads((toy_run / "score.json").read_text())
    assert one["metrics"] != other["metrics"]
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert score["seeds"] == [0, 1]
    assert score["by_seed"] == {"0": one["metrics"], "1": other["metrics"]}
    both = [found["metrics"]["accuracy"] for found in (one, other)]
    assert score["metrics"]["accuracy"] == pytest.approx(np.mean(both))
    # Of two values: half their distance.
    assert score["standard_errors"]["accuracy"] == pytest.approx(abs(both[0] - both[1]) / 2)
    error = score["standard_errors"]["accuracy"]
    assert in_words(score).startswith(
        f"accuracy {np.mean(both):.4g} (standard error {error:.4g}), macro_f1 "
    )
    assert in_words(score).endswith("; means of 2 seeds")
    low, high = one["intervals_95"]["accuracy"]
    assert f"accuracy {both[0]:.4g} (95% interval {low:.4g} to {high:.4g})" in in_words(one)
    for folder in (tmp_path / "run", tmp_path / "run" / "seed_1"):
        assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    assert bert_jax.load(tmp_path / "run" / "seed_1").labels == ("bad", "fair", "good")


def test_a_test_split_is_answered_in_the_form_of_a_leaderboard(toy_run):
    said = [line["prediction"] for line in lines(toy_run / "predictions_test.jsonl")]
    expected = "".join(f"{i}\t{name}\n" for i, name in enumerate(said))
    assert (toy_run / "test_predictions.tsv").read_text() == "index\tprediction\n" + expected
    assert len(said) == 9 and len(set(said)) > 1


def test_the_loss_of_an_evaluation_is_the_mean_surprise_over_its_rows(toy_run):
    found = evaluations(toy_run)
    assert list(found) == [10, 20, 30, 40]
    best = found[kept_step(toy_run)]
    surprises = [
        -np.log(line["probabilities"][line["label"]])
        for line in lines(toy_run / "predictions_validation.jsonl")
    ]
    assert best["loss"] == best["task_loss"] == pytest.approx(np.mean(surprises), rel=1e-5)


def test_the_model_kept_is_the_first_of_the_best(toy_run):
    found = evaluations(toy_run)
    accuracies = [line["accuracy"] for line in found.values()]
    assert kept_step(toy_run) == list(found)[int(np.argmax(accuracies))]
    score = json.loads((toy_run / "score.json").read_text())
    assert score["metrics"]["accuracy"] == max(accuracies) > min(accuracies)


def test_the_folder_is_a_model_that_says_what_was_predicted(toy_run):
    model = bert_jax.load(toy_run)
    assert (model.kind, model.labels) == ("sequence_classification", ("bad", "fair", "good"))
    assert model.newly_initialized == ()
    line = lines(toy_run / "predictions_validation.jsonl")[3]
    (pieces,) = model.tokenizer.encode_batch([line["text"]])
    ids = jnp.array([[model.tokenizer.cls_id, *pieces, model.tokenizer.sep_id]], jnp.int32)
    apply = jax.jit(model.module.apply)
    scores = apply({"params": model.params}, ids, jnp.zeros_like(ids), jnp.ones_like(ids))
    shares = dict(zip(model.labels, np.asarray(jax.nn.softmax(scores[0])), strict=True))
    assert shares == pytest.approx(line["probabilities"], abs=1e-5)


def test_a_model_that_only_gets_worse_is_kept_as_it_was_first(
    toy_run, toy_task, finetune, tmp_path
):
    """From the trained model, with classes that are wrong in training and right in validation."""
    text = (toy_task / "train.tsv").read_text()
    for name, other in (
        ("\tbad", "\tX"),
        ("\tgood", "\tbad"),
        ("\tfair", "\tgood"),
        ("\tX", "\tfair"),
    ):
        text = text.replace(name, other)
    (tmp_path / "wrong.tsv").write_text(text)
    changes = {
        "data.path": str(tmp_path / "wrong.tsv"),
        "data.validation": str(toy_task / "dev.tsv"),
        "init_from": str(toy_run),
        "optimizer.learning_rate": 5e-3,
        "optimizer.schedule": "constant",
        "train.epochs": 4.0,
    }
    assert finetune(tmp_path / "run", changes) == 0
    found = evaluations(tmp_path / "run")
    accuracies = {step: line["accuracy"] for step, line in found.items()}
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert accuracies[kept_step(tmp_path / "run")] == score["metrics"]["accuracy"]
    assert score["metrics"]["accuracy"] == max(accuracies.values()) > accuracies[20] + 0.1


@pytest.mark.parametrize(
    ("patience", "enough"),
    [(0, [False] * 6), (1, [False, True, False, True, True, True]), (2, [False] * 4 + [True] * 2)],
)
def test_what_follows_evaluations(patience, enough):
    kept = []
    follow = BestModel("f1", lambda step, params: kept.append((step, params)), patience, [])
    said = []
    for step, value in enumerate([0.5, 0.5, 0.7, 0.6, 0.7, 0.1]):
        follow(step, f"parameters {step}", {"f1": value, "accuracy": -value})
        said.append(follow.enough())
    assert kept == [(0, "parameters 0"), (2, "parameters 2")]
    assert said == enough


@pytest.mark.parametrize(("steps", "wanted", "at"), [(40, 4, 10), (10, 3, 4), (7, 3, 3), (2, 9, 1)])
def test_there_are_no_more_evaluations_than_asked_for(steps, wanted, at, finetune_values):
    values = finetune_values({"train.evaluations": wanted})["train"]
    train = cli.build(TaskTraining, values, "config.train")
    assert intervals_of(train, steps).evaluate == at
    assert len({*range(at, steps, at), steps}) <= wanted


@pytest.mark.parametrize(
    ("steps", "wanted", "at"), [(3, 0, 1), (51, 0, 2), (900, 0, 18), (9, 4, 4)]
)
def test_metrics_are_logged_fifty_times_unless_told(steps, wanted, at, finetune_values):
    values = finetune_values({"train.log_every": wanted})["train"]
    assert intervals_of(cli.build(TaskTraining, values, "config.train"), steps).log == at


def test_an_epoch_shows_each_row_once_and_the_next_one_in_another_order(assembled_toy):
    found = assembled_toy()
    rows = ["".join(map(str, ids)) for ids in found.task.features["train"].input_ids]
    stage = found.stage(0, BestModel("accuracy", lambda step, params: None, 0, []))
    assert stage.end == 40  # 8 epochs of 5 batches
    epochs = []
    for epoch in range(2):
        shown = []
        for step in range(5 * epoch, 5 * epoch + 5):
            batch = jax.device_get(stage.batch(step))
            assert batch.weights.sum() == (11 if step % 5 == 4 else 16)
            counted = zip(batch.input_ids, batch.attention_mask, batch.weights, strict=True)
            shown += ["".join(map(str, i[m > 0])) for i, m, weight in counted if weight]
        epochs.append(shown)
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(rows)
    assert epochs[0] != epochs[1] != rows != epochs[0]


@pytest.fixture(scope="module")
def patient(finetune, finetune_until, tmp_path_factory):
    """A run of the head alone, too slow to change any prediction; killed at 12, then continued."""
    workdir = tmp_path_factory.mktemp("patient") / "run"
    changes = {
        "optimizer.learning_rate": 1e-6,
        "train.what": "head",
        "train.evaluations": 8,
        "train.patience": 2,
    }
    finetune_until(workdir, 12, changes)
    assert finetune(workdir, changes) == 0
    return workdir, changes


def test_patience_ends_a_run_and_outlives_a_kill(patient):
    found = evaluations(patient[0])
    assert list(found) == [5, 10, 15] and kept_step(patient[0]) == 5
    assert Checkpoints(patient[0] / "training", keep=1).steps() == [15]


def test_a_run_killed_before_its_score_was_written_trains_no_further(patient, finetune):
    workdir, changes = patient
    before = {name: (workdir / name).read_bytes() for name in ("metrics.jsonl", "score.json")}
    (workdir / "score.json").unlink()
    assert finetune(workdir, changes) == 0
    assert {name: (workdir / name).read_bytes() for name in before} == before


def test_a_frozen_encoder_stays_bit_for_bit_and_has_no_moments(patient, toy_model):
    before = load_arrays(toy_model / "checkpoints")
    after = load_arrays(patient[0] / "training")
    head = {"classifier/kernel", "classifier/bias", *(p for p in before if "pooler" in p)}
    assert after.keys() == before.keys() | head
    for path in before.keys() - head:
        assert after[path].tobytes() == before[path].tobytes(), path
    assert (
        after["bert/pooler/dense/kernel"].tobytes() != before["bert/pooler/dense/kernel"].tobytes()
    )
    manifest = json.loads((patient[0] / "training" / "00000015" / "manifest.json").read_text())
    moments = {path for path in manifest["arrays"]["state"] if "/mu/" in path}
    assert {path.split("/mu/")[1] for path in moments} == head


def test_top_layers_and_the_pooler_are_drawn_anew_by_request():
    class Two:
        head, labels = "classification", ("bad", "good")

    config = BertConfig(20, 8, 3, 2, 16, max_position_embeddings=4)
    kind = "sequence_classification"
    module = make_model(kind, config, Execution(), 2)
    paths = flatten(jax.eval_shape(lambda: initialize(module, jax.random.key(0))))
    model = Published(config, kind, Two.labels, dict(paths), (), None, Path("drawn"))

    def new(**fields):
        """What is no longer the checkpoint's."""
        fields = {"new_head": False, "reinitialize_layers": 0} | fields
        return model.arrays.keys() - with_head(model, Two, **fields)[0].arrays.keys()

    drawn = ("bert/encoder/layer_1/", "bert/encoder/layer_2/", "bert/pooler/")
    assert new() == set()
    assert new(reinitialize_layers=2) == {p for p in model.arrays if p.startswith(drawn)}
    assert new(new_head=True) == {"classifier/bias", "classifier/kernel"}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("bad", "good"), None),
        (("Bad", "GOOD"), None),
        (
            ("LABEL_0", "LABEL_1"),
            "(LABEL_0, LABEL_1), the task has 2 (bad, good); the head is kept",
        ),
        (("good", "bad"), DataError),
        (("bad", "fine"), DataError),
        (("bad", "good", "fair"), DataError),
    ],
)
def test_a_head_is_kept_only_where_no_class_becomes_another(labels, said):
    class Two:
        head, labels = "classification", ("bad", "good")

    config = BertConfig(20, 8, 3, 2, 16, max_position_embeddings=4)
    model = Published(config, "sequence_classification", labels, {}, (), None, Path("drawn"))
    if said is DataError:
        with pytest.raises(DataError, match=r"^drawn: its head .*new_head=True draws a new"):
            with_head(model, Two, new_head=False, reinitialize_layers=0)
        assert with_head(model, Two, new_head=True, reinitialize_layers=0)[1] == ()
    else:
        kept, notes = with_head(model, Two, new_head=False, reinitialize_layers=0)
        assert kept.labels == ("bad", "good")
        assert (notes == ()) if said is None else (said in notes[0])


def test_a_random_model_learns_the_toy_task(toy_tokenizer, finetune, tmp_path):
    toy_tokenizer.save(tmp_path / "tokenizer")
    changes = {
        "init_from": "random",
        "random.tokenizer": str(tmp_path / "tokenizer"),
        "optimizer.learning_rate": 2e-3,
        "train.epochs": 5.0,
        "train.evaluations": 1,
    }
    assert finetune(tmp_path / "run", changes) == 0
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert score["metrics"]["accuracy"] > 0.9


SHORT = {"train.epochs": 1.0, "train.evaluations": 1, "train.batch_size": 4}


def test_values_are_learnt_as_a_regression(toy_task, finetune, tmp_path):
    values = {"bad": "-1", "fair": "0.5", "good": "2"}
    for name in ("train", "dev"):
        rows = [line.split("\t") for line in (toy_task / f"{name}.tsv").read_text().splitlines()]
        text = "".join(f"{text}\t{values.get(label, label)}\n" for text, label in rows)
        (tmp_path / f"{name}.tsv").write_text(text)
    changes = {"data.path": str(tmp_path), "data.regression": True, "train.evaluations": 1}
    assert finetune(tmp_path / "run", changes) == 0
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert score["metrics"].keys() == {"pearson", "spearman"}
    assert score["metrics"]["pearson"] > 0.5
    ((_, line),) = evaluations(tmp_path / "run").items()
    errors = [
        line["prediction"] - line["label"]
        for line in lines(tmp_path / "run" / "predictions_validation.jsonl")
    ]
    assert line["loss"] == pytest.approx(np.mean(np.square(errors)), rel=1e-5)


CONLL = "the O\nlovely B-x\nsuperb I-x\nfilm O\n\nawful B-y\ncast O\nof O\nx B-y\nwe O\n\n"


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagged")
    for name in ("train", "dev"):
        (folder / f"{name}.txt").write_text(CONLL * 6)
    return folder


@pytest.mark.parametrize("head", ["linear", "crf"])
def test_words_are_tagged(head, tagged, finetune, tmp_path):
    changes = {"data.path": str(tagged), "data.tagging.head": head} | SHORT
    assert finetune(tmp_path / "run", changes, task="tags") == 0
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert {"f1", "precision", "recall", "accuracy", "f1_x", "f1_y"} == score["metrics"].keys()
    said = [line["prediction"] for line in lines(tmp_path / "run" / "predictions_validation.jsonl")]
    assert [len(tags) for tags in said] == [4, 5] * 6
    assert (tmp_path / "run" / "validation_tags.conll").read_text().count("\n\n") == 11
    ((_, line),) = evaluations(tmp_path / "run").items()
    assert np.isfinite(line["loss"])


def test_words_of_a_test_set_without_tags_are_tagged(tagged, finetune, tmp_path):
    words = [line.split(" ")[0] for line in CONLL.split("\n")]
    (tmp_path / "test.txt").write_text("\n".join(words))
    changes = {"data.path": str(tagged), "data.test": str(tmp_path / "test.txt")} | SHORT
    assert finetune(tmp_path / "run", changes, task="tags") == 0
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert score["examples"] == {"validation": 12, "test": 2}
    assert not any(name.startswith("test/") for name in score["metrics"])
    said = lines(tmp_path / "run" / "predictions_test.jsonl")
    assert [line["tags"] for line in said] == [None, None]
    assert [len(line["prediction"]) for line in said] == [4, 5]


def test_a_chain_finds_the_best_path_that_the_scheme_allows(tagged, assembled_toy):
    """Every word wants to be inside an entity; then no two in a row may."""
    changes = {"data.path": str(tagged), "data.tagging.head": "crf"}
    found = assembled_toy(changes, task="tags")
    inside = found.task.labels.index("I-x")
    params = flatten(found.fitted(0).params)
    params["classifier/kernel"] = jnp.zeros_like(params["classifier/kernel"])
    params["classifier/bias"] = jnp.zeros(5).at[inside].set(10.0)

    def first_tags():
        scores = found.scores(nest(params), "validation")
        return next(found.task.predictions("validation", scores))["prediction"]

    assert first_tags() == ["B-x", "I-x", "I-x", "I-x"]
    params["crf/transitions"] = jnp.zeros((5, 5)).at[inside, inside].set(-100.0)
    assert first_tags() == ["B-x", "I-x", "B-x", "I-x"]


def test_questions_are_answered(finetune, tmp_path):
    context = "we saw a lovely film twice in the week of the year"
    asked = [("lovely film", [{"text": "lovely film", "answer_start": 9}]), ("awful cast", [])]
    paragraphs = [
        {
            "context": context,
            "qas": [
                {"id": f"{i} {text}", "question": text, "answers": answers,
                 "is_impossible": not answers}
                for text, answers in asked
            ],
        }
        for i in range(4)
    ]  # fmt: skip
    for name in ("train", "dev"):
        document = {"version": "v2.0", "data": [{"title": "films", "paragraphs": paragraphs}]}
        (tmp_path / f"{name}-v2.0.json").write_text(json.dumps(document))
    questions = {"doc_stride": 4, "max_query_length": 2, "max_answer_length": 3}
    changes = {f"data.questions.{name}": value for name, value in questions.items()}
    changes |= {"data.path": str(tmp_path)} | SHORT
    assert finetune(tmp_path / "run", changes, task="squad2") == 0
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    assert {"f1", "exact_match", "has_answer_f1", "no_answer_f1", "null_threshold"} <= (
        score["metrics"].keys()
    )
    answers = json.loads((tmp_path / "run" / "validation_predictions.json").read_text())
    assert len(answers) == 8 and all(answer in context for answer in answers.values())
    assert score["examples"]["validation"] > 8  # windows
