"""How heads attend within lines: what the model gives for each alone, and a page of it."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import CheckpointError, ConfigError, DataError
from bert_jax.interop.published import Published
from bert_jax.model import Bert, BertConfig, Execution, initialize, make_model
from bert_jax.model.encoder import attention_probabilities
from bert_jax.prediction import attention
from bert_jax.prediction.predicting import predict
from bert_jax.prediction.scores import PredictConfig
from bert_jax.runs.models import write_model

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = (*SPECIAL_TOKENS, "the", "cat", "sat", "mat", "##s", ".")
TOKENIZER = WordPiece(VOCABULARY, lower_case=True)
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=40,
    initializer_range=0.5,  # heads that differ
)
load = functools.cache(bert_jax.load)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function (kind, change of the parameters) that gives a model's folder."""

    def make(kind="pretraining", change=lambda params: params):
        module = make_model(kind, CONFIG, Execution(), 0)
        params = change(jax.jit(lambda: initialize(module, jax.random.key(3)))())
        folder = tmp_path_factory.mktemp("models")
        write_model(folder, Published(CONFIG, kind, (), {}, (), None, folder), params, TOKENIZER)
        return folder

    return make


@pytest.fixture(scope="module")
def model(models):
    return models()


@pytest.fixture
def attend(tmp_path):
    """A function (model, lines, length) that gives what is to be drawn, and what was noted."""

    def run(model, lines, length=None, target="page.html"):
        source, drawn = tmp_path / "lines.txt", []
        source.write_text("".join(f"{line}\n" for line in lines))

        def render(name, attended, written):
            assert name == model.name
            drawn.extend(attended)
            return "a page \ud800"  # a vocabulary may hold what UTF-8 cannot

        config = PredictConfig("attention", max_seq_length=length)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attention, "render", render)
            notes = predict(model, str(source), str(tmp_path / target), config)
        assert (tmp_path / target).read_text() == "a page ?"
        return drawn, notes

    return run


def alone(folder, tokens, segments):
    """Compute the probabilities of one row without any padding."""
    loaded = load(folder)
    ids = jnp.array([[VOCABULARY.index(token) for token in tokens]])
    params, mask = loaded.params["bert"], jnp.ones_like(ids)

    @jax.jit
    def compute(params):
        batch = ids, jnp.array([segments]), mask
        states = Bert(CONFIG, Execution()).apply({"params": params}, *batch, method=Bert.encode)
        return attention_probabilities(CONFIG, params["encoder"], states, mask)[0]

    return compute(params)


def test_lines_and_pairs_are_attended_as_each_alone(model, attend):
    pair = {"text": "Cats sat.", "text_pair": "the [MASK]"}
    (short, paired), notes = attend(model, ["the cat", json.dumps(pair)])
    assert notes == ()
    assert short.texts == ("the cat",) and paired.texts == ("Cats sat.", "the [MASK]")
    assert short.tokens == ("[CLS]", "the", "cat", "[SEP]")
    assert paired.tokens == (
        *("[CLS]", "cat", "##s", "sat", ".", "[SEP]"), *("the", "[MASK]", "[SEP]")
    )  # fmt: skip
    assert short.special == (True, False, False, True)
    assert paired.segments == (0,) * 6 + (1,) * 3
    assert [i for i, special in enumerate(paired.special) if special] == [0, 5, 8]
    for line in (short, paired):
        expected = alone(model, line.tokens, line.segments)
        assert line.probabilities.shape == (2, 2, len(line.tokens), len(line.tokens))
        np.testing.assert_allclose(line.probabilities, expected, rtol=0, atol=1e-6)


def test_a_model_of_any_kind_will_do(models, attend):
    (found,), _ = attend(models("question_answering"), ["the cat"])
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, rtol=0, atol=1e-6)


def test_what_is_too_long_or_too_many_is_left_out_and_said(model, attend):
    found, notes = attend(model, ["cat " * 20, *["the"] * 9], 10)
    assert len(found) == 8 and [len(line.tokens) for line in found] == [10] + [3] * 7
    assert notes[0].startswith("lines beyond the 8 that a page shows: 2, the first at ")
    assert notes[0].endswith("lines.txt:9")
    assert notes[1].startswith("longer than 10 tokens and cut: 1, ")
    assert len(attend(model, ["cat " * 50])[0][0].tokens) == 40  # the positions of the model


@pytest.mark.parametrize(
    ("lines", "options", "error", "message"),
    [
        ([], {}, DataError, "the input holds no line"),
        (['{"txt": "a"}'], {}, DataError, "lines.txt:1: no field 'text'"),
        (["a"], {"target": "page.txt"}, ConfigError, "--output=.*page.txt: .* name a .html file"),
        (["a"], {"target": "absent/page.html"}, ConfigError, "--output=.* cannot be written"),
        (["a"], {"length": 41}, ConfigError, "--max_seq_length=41: wants 8 to 40"),
        (["a"], {"length": 0}, ConfigError, "--max_seq_length=0: wants 8 to 40"),
    ],
)
def test_what_cannot_be_is_refused(model, attend, tmp_path, lines, options, error, message):
    with pytest.raises(error, match=message):
        attend(model, lines, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["lines.txt"]


def test_a_model_that_is_no_whole_bert_or_of_no_use_is_refused(models, attend):
    def without_encoder(params):
        return params | {"bert": {k: v for k, v in params["bert"].items() if k != "encoder"}}

    with pytest.raises(CheckpointError, match="not a whole BERT; .* lacks bert/encoder"):
        attend(models(change=without_encoder), ["the cat"])
    huge = models(change=lambda params: jax.tree.map(lambda x: jnp.full_like(x, 3e38), params))
    with pytest.raises(CheckpointError, match="not finite for .*lines.txt:1"):
        attend(huge, ["the cat"])


def test_the_entry_writes_a_page(model, tmp_path):
    page = tmp_path / "page.html"
    flags = [f"--model={model}", "--task=attention", f"--output={page}"]
    done = subprocess.run(
        [sys.executable, "-m", "bert_jax.predict", *flags],
        cwd=ROOT, input="the cats sat .\n", capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = page.read_text()
    assert "2 × 2 attention heads" in text and "the cats sat ." in text and "##s" in text
