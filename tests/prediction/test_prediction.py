"""Predictions for lines: exactly what the model gives for each alone, whatever stands beside it."""

import functools
import itertools
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bert_jax
from bert_jax.data.lines import ReadReport
from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece
from bert_jax.errors import CheckpointError, ConfigError, DataError
from bert_jax.heap import KeptMemory
from bert_jax.interop.published import Published
from bert_jax.model import KINDS, Bert, BertConfig, Execution, initialize, make_model
from bert_jax.prediction import lines
from bert_jax.prediction.heads import HEADS, TASKS
from bert_jax.prediction.lines import read_chunks
from bert_jax.prediction.predicting import predict
from bert_jax.prediction.scores import PredictConfig
from bert_jax.runs.models import write_model

WORDS = "the a cat dog sat ran on mat big red old . ,".split()
VOCABULARY = (*SPECIAL_TOKENS, *WORDS, "##s", "##er")
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=40,
    initializer_range=0.5,  # outputs that differ
)
LABELS = {
    "sequence_classification": ("bad", "fair", "good"),
    "token_classification": ("O", "B-X", "I-X"),
    "tagging": ("O", "B-X", "I-X"),
}
TEXTS = [
    "the cat sat on the mat .",
    "a dog",
    "the old red cats ran on the big mat , on the big red mat , on the mat .",
    "",
    "older dogs ran on .",
]
TOKENIZER = WordPiece(VOCABULARY, lower_case=True)
load = functools.cache(bert_jax.load)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function (kind, labels, parts left out of the checkpoint) that gives a model's folder."""
    made: dict[tuple, Path] = {}

    def make(kind, labels=None, without=()):
        labels = LABELS.get(kind, ()) if labels is None else labels
        key = kind, labels, without
        if key not in made:
            module = make_model(kind, CONFIG, Execution(), len(labels))
            params = jax.jit(lambda: initialize(module, jax.random.key(3)))()
            if "crf" in params:
                keys = jax.random.split(jax.random.key(4), 3)
                params["crf"] = {
                    name: 3 * jax.random.normal(k, leaf.shape)
                    for k, (name, leaf) in zip(keys, params["crf"].items(), strict=True)
                }
            for part in without:
                if part == "pooler":
                    del params["bert"]["pooler"]
                else:
                    del params[part]
            made[key] = tmp_path_factory.mktemp("models")
            published = Published(CONFIG, kind, labels, {}, (), None, made[key])
            write_model(made[key], published, params, TOKENIZER)
        return made[key]

    return make


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(lines, "LINES_AT_A_TIME", 3)


@pytest.fixture
def ask(tmp_path):
    """A function (model, task, lines, flags) that gives the answers and what was noted."""

    def run(model, task, lines, **flags):
        source, target = tmp_path / "lines.txt", tmp_path / "answers.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        source.write_text("".join(f"{text}\n" for text in texts))
        config = PredictConfig(task, **{"batch_size": 2, **flags})
        notes = predict(model, str(source), str(target), config)
        return [json.loads(line) for line in target.read_text().splitlines()], notes

    return run


def row(*texts):
    """Return [CLS] A [SEP] B [SEP] by hand, and the segments."""
    ids, segments = [TOKENIZER.cls_id], [0]
    for segment, text in enumerate(texts):
        parts = [TOKENIZER.encode_batch([part])[0] for part in text.split("[MASK]")]
        pieces = parts[0] + [i for part in parts[1:] for i in (TOKENIZER.mask_id, *part)]
        ids += [*pieces, TOKENIZER.sep_id]
        segments += [segment] * (len(pieces) + 1)
    return jnp.array([ids]), jnp.array([segments])


def apply(folder, *texts, positions=None):
    """Apply a model to one row alone, always as long as can be: shapes cost a compilation each."""
    loaded = load(folder)
    ids, segments = row(*texts)
    count, longest = ids.shape[1], CONFIG.max_position_embeddings
    padded = [jnp.pad(x, ((0, 0), (0, longest - count))) for x in (ids, segments, ids * 0 + 1)]
    more = () if positions is None else (jnp.array([positions]),)
    found = loaded.module.apply({"params": loaded.params}, *padded, *more)

    def of_row(leaf):
        return np.asarray(leaf[:, :count] if leaf.shape[:2] == (1, longest) else leaf, np.float64)

    return jax.tree.map(of_row, found)


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_fill_mask_gives_the_likeliest_pieces_of_each_mask(models, ask):
    model = models("pretraining")
    lines = [
        "the [MASK] sat on the [MASK] .",
        "[MASK]s ran .",
        "no mask",
        {"text": "the cat [MASK]", "text_pair": "a [MASK] [MASK] ran ."},
    ]
    answers, notes = ask(model, "fill_mask", lines, top_k=3)
    assert [answer["text"] for answer in answers] == [
        line["text"] if isinstance(line, dict) else line for line in lines
    ]
    assert [len(answer["masks"]) for answer in answers] == [2, 1, 0, 3]
    assert (
        len(notes) == 1 and notes[0].endswith("lines.txt:3") and "without a [MASK]: 1" in notes[0]
    )
    for answer in answers:
        texts = [answer[name] for name in ("text", "text_pair") if name in answer]
        places = np.flatnonzero(row(*texts)[0][0] == TOKENIZER.mask_id)
        if not len(places):
            continue
        shares = softmax(apply(model, *texts, positions=places).masked_language_model[0])
        for pieces, expected in zip(answer["masks"], shares, strict=True):
            best = np.argsort(-expected)[:3]
            assert [piece["id"] for piece in pieces] == best.tolist()
            assert [piece["token"] for piece in pieces] == [VOCABULARY[i] for i in best]
            close([piece["probability"] for piece in pieces], expected[best])


def test_masks_that_are_cut_off_keep_their_place_without_pieces(models, ask):
    long = "the cat [MASK] on the big red mat [MASK] ."
    answers, notes = ask(
        models("pretraining"), "fill_mask", [{"text": long, "text_pair": "[MASK]"}, long],
        max_seq_length=9,
    )  # fmt: skip
    assert [[len(mask) for mask in answer["masks"]] for answer in answers] == [[5, 0, 5], [5, 0]]
    assert len(notes) == 1 and "longer than 9 tokens and cut: 2" in notes[0]


def test_next_sentence_gives_the_probability_that_b_follows(models, ask):
    model = models("pretraining")
    lines = [{"text": text, "text_pair": "the dog ran ."} for text in TEXTS]
    answers, notes = ask(model, "next_sentence", lines)
    assert notes == () and [answer["text"] for answer in answers] == TEXTS
    for answer in answers:
        scores = apply(model, answer["text"], answer["text_pair"], positions=[0]).next_sentence[0]
        close(answer["is_next"], softmax(scores)[0])


def test_classes_of_texts_and_pairs_come_in_the_order_of_the_lines(models, ask):
    model = models("sequence_classification")
    lines = [*TEXTS, {"text": "a cat", "text_pair": "the dog ran ."}, {"text": "a cat"}]
    answers, _ = ask(model, "classify", lines)
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers, strict=True):
        line = {"text": line} if isinstance(line, str) else line
        expected = softmax(apply(model, *line.values())[0])
        assert {name: answer[name] for name in line} == line
        assert list(answer["probabilities"]) == list(LABELS["sequence_classification"])
        close(list(answer["probabilities"].values()), expected)
        assert answer["prediction"] == LABELS["sequence_classification"][expected.argmax()]


def test_a_model_with_one_output_gives_its_value(models, ask):
    model = models("sequence_classification", ("score",))
    answers, _ = ask(model, "classify", TEXTS)
    assert all(answer.keys() == {"text", "prediction"} for answer in answers)
    close([answer["prediction"] for answer in answers], [apply(model, t)[0, 0] for t in TEXTS])


def test_an_answer_is_the_span_with_the_highest_scores(models, ask):
    model = models("question_answering")
    contexts = ["the old dog sat on a mat .", "a red cat ran", "big cats ran on the mat , the mat"]
    lines = [{"question": "the cat", "context": context} for context in contexts]
    answers, _ = ask(model, "answer", lines)
    for context, answer in zip(contexts, answers, strict=True):
        scores = apply(model, "the cat", context)[0]
        tokens = [VOCABULARY[i] for i in row("the cat", context)[0][0]]
        spans = [
            (scores[i, 0] + scores[j, 1], i, j)
            for i, j in itertools.combinations_with_replacement(range(4, len(tokens) - 1), 2)
        ]
        best, first, last = max(spans)
        assert answer["question"] == "the cat"
        expected = " ".join(tokens[first : last + 1]).replace(" ##", "")
        assert answer["prediction"] == expected.removeprefix("##")
        close(answer["null_odds"], scores[0].sum() - best)
    odds = min(answer["null_odds"] for answer in answers)
    refused, _ = ask(model, "answer", lines, null_threshold=odds + 1e-5)  # odds are rounded
    assert [a["prediction"] != "" for a in refused] == [a["null_odds"] == odds for a in answers]


def test_a_long_context_is_read_to_its_end(models, ask):
    model = models("question_answering")
    context = " ".join(["the cat sat on the mat ,"] * 20 + ["old dog"])
    (answer,), notes = ask(model, "answer", [{"question": "a dog", "context": context}])
    assert notes == () and answer["prediction"] in context


def test_tags_are_those_of_first_pieces_and_words_may_be_given(models, ask):
    model, labels = models("token_classification"), LABELS["token_classification"]
    lines = [*TEXTS, {"words": ["old dogs", "ran"]}]
    answers, _ = ask(model, "tag", lines)
    assert [a["words"] for a in answers] == [*map(str.split, TEXTS), ["old dogs", "ran"]]
    for answer in answers:
        pieces = [TOKENIZER.encode_batch([word])[0] for word in answer["words"]]
        starts = 1 + np.cumsum([0, *map(len, pieces)])[:-1]
        expected = apply(model, " ".join(answer["words"]))[0].argmax(axis=1)
        assert answer["prediction"] == [labels[expected[start]] for start in starts]


def test_a_chain_of_tags_gives_the_best_path_that_the_scheme_allows(models, ask):
    model = models("tagging")
    texts = ["the cat sat on", "a dogs ran", "mat", "the old red cats ran"]
    answers, _ = ask(model, "tag", texts)
    for text, answer in zip(texts, answers, strict=True):
        emissions, chain = apply(model, text)
        ids = row(text)[0][0]
        starts = [i for i, id in enumerate(ids) if id > 4 and VOCABULARY[id] != "##s"]

        def score(path, at=tuple(starts), emissions=emissions[0], chain=chain):
            steps = sum(chain.transitions[a, b] for a, b in itertools.pairwise(path))
            emitted = sum(emissions[i, tag] for i, tag in zip(at, path, strict=True))
            return chain.start[path[0]] + emitted + steps + chain.end[path[-1]]

        allowed = [
            path
            for path in itertools.product(range(3), repeat=len(starts))
            if all((a, b) != (0, 2) for a, b in itertools.pairwise((0, *path)))
        ]
        assert answer["prediction"] == [LABELS["tagging"][i] for i in max(allowed, key=score)]


@pytest.mark.parametrize("layer", [-1, 0])
def test_vectors_are_those_of_the_layer(models, ask, layer):
    model = models("encoder")
    pooled, _ = ask(model, "embed", TEXTS)
    means, _ = ask(model, "embed", TEXTS, pooling="mean", layer=layer)
    tokens, _ = ask(model, "embed", TEXTS, pooling="tokens", layer=layer)
    for i, text in enumerate(TEXTS):
        output = apply(model, text)
        hidden = output.hidden_states[layer][0]
        close(pooled[i]["embedding"], output.pooled[0])
        close(means[i]["embedding"], hidden.mean(axis=0))
        close(tokens[i]["embeddings"], hidden)
        assert tokens[i]["tokens"] == [VOCABULARY[id] for id in row(text)[0][0]]


def load_arrays(model, task, tmp_path, lines=tuple(TEXTS)):
    source, target = tmp_path / "lines.txt", tmp_path / f"{task}.npz"
    source.write_text("".join(f"{line}\n" for line in lines))
    predict(model, str(source), str(target), PredictConfig(task, batch_size=2))
    with np.load(target) as file:
        return dict(file)


def test_the_file_of_vectors_holds_what_the_model_gives_for_its_rows(models, tmp_path):
    model = models("pretraining")
    arrays = load_arrays(model, "embed", tmp_path)
    loaded = load(model)
    longest = row(TEXTS[2])[0].shape[1]
    assert arrays["hidden_states"].shape == (2, 5, longest, 16)
    for i, text in enumerate(TEXTS):
        ids = row(text)[0][0]
        assert arrays["input_ids"][i][: len(ids)].tolist() == ids.tolist()
        assert arrays["attention_mask"][i].sum() == len(ids)
    output = Bert(CONFIG, Execution()).apply(
        {"params": loaded.params["bert"]},
        *(jnp.array(arrays[k]) for k in ("input_ids", "token_type_ids", "attention_mask")),
    )
    close(arrays["hidden_states"], np.stack(output.hidden_states))
    close(arrays["pooled"], output.pooled)


def test_vectors_of_a_model_without_a_pooler(models, ask, tmp_path):
    for model in (models("question_answering"), models("pretraining", without=("pooler",))):
        arrays = load_arrays(model, "embed", tmp_path)
        assert "pooled" not in arrays and arrays["hidden_states"].shape[:2] == (2, 5)
        assert len(ask(model, "embed", TEXTS, pooling="mean")[0]) == 5
        with pytest.raises(CheckpointError, match="has no pooler; --pooling=mean"):
            ask(model, "embed", TEXTS)


def test_the_file_of_logits_holds_each_head(models, tmp_path):
    model = models("pretraining")
    text = "the [MASK] sat"
    arrays = load_arrays(model, "logits", tmp_path, [text, *TEXTS])
    longest = arrays["input_ids"].shape[1]
    assert arrays["mlm"].shape == (6, longest, len(VOCABULARY))
    expected = apply(model, text, positions=range(5))
    close(arrays["mlm"][0, :5], expected.masked_language_model[0])
    close(arrays["nsp"][0], expected.next_sentence[0])


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("sequence_classification", {"classifier": (5, 3)}),
        ("token_classification", {"classifier": (5, 23, 3)}),
        ("question_answering", {"span": (5, 23, 2)}),
        (
            "tagging",
            {
                "classifier": (5, 23, 3),
                "crf_start": (3,),
                "crf_transitions": (3, 3),
                "crf_end": (3,),
            },
        ),
    ],
)
def test_logits_of_each_kind(models, tmp_path, kind, shapes):
    arrays = load_arrays(models(kind), "logits", tmp_path)
    inputs = ("input_ids", "token_type_ids", "attention_mask")
    assert {k: v.shape for k, v in arrays.items() if k not in inputs} == shapes
    if "span" in arrays:
        close(arrays["span"][1, :4], apply(models(kind), TEXTS[1])[0])


def test_a_head_that_the_checkpoint_lacks_is_left_out_of_the_logits(models, tmp_path):
    arrays = load_arrays(models("pretraining", without=("next_sentence",)), "logits", tmp_path)
    assert "mlm" in arrays and "nsp" not in arrays


def test_every_kind_of_model_has_its_heads_and_tasks():
    assert HEADS.keys() == KINDS.keys()
    for kinds in TASKS.values():
        assert all(HEADS[kind].keys() >= set(heads) for kind, heads in kinds.items())


@pytest.mark.parametrize(
    ("kind", "without", "task", "error", "message"),
    [
        ("encoder", (), "fill_mask", ConfigError,
         "which is of kind encoder; it can do embed, attention$"),
        ("pretraining", (), "classify", ConfigError,
         "pretraining; it can do fill_mask, next_sentence, embed, attention, logits$"),
        ("tagging", (), "answer", ConfigError, "it can do tag, embed, attention, logits$"),
        ("pretraining", ("next_sentence",), "next_sentence", CheckpointError,
         "has no next-sentence head, .* lacks next_sentence/.*; it can do fill_mask, embed, att"),
        ("pretraining", ("pooler",), "next_sentence", CheckpointError, "lacks bert/pooler/"),
        ("pretraining", ("masked_language_model",), "fill_mask", CheckpointError,
         "has no masked-language-model head, .*; it can do next_sentence, embed, att.*, logits$"),
        ("sequence_classification", ("classifier",), "classify", CheckpointError,
         "has no classifier, .*; it can do embed, attention$"),
        ("pretraining", ("masked_language_model", "next_sentence"), "fill_mask", CheckpointError,
         "; it can do embed, attention$"),
        ("tagging", ("bert",), "embed", CheckpointError, "not a whole BERT; .* lacks bert/embed"),
        ("tagging", ("crf",), "tag", CheckpointError, "has no chain of tags"),
    ],
)  # fmt: skip
def test_a_task_that_the_model_cannot_do_is_refused(
    models, ask, tmp_path, kind, without, task, error, message
):
    with pytest.raises(error, match=message):
        ask(models(kind, without=without), task, ["a cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["lines.txt"]


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("fill_mask", '{"text": "a"', r"begins with \{ but is not JSON \(.*column 13\)"),
        ("fill_mask", "{" * 40, "is not JSON"),
        ("fill_mask", {"txt": "a"}, "no field 'text', there is txt"),
        ("fill_mask", {"text": 3}, "'text' is 3, wants a text"),
        ("fill_mask", {"text": "a", "text_pair": ["b"]}, r"'text_pair' is \[\"b\"\], wants a text"),
        ("next_sentence", "a cat", "no field 'text_pair', there is text"),
        ("next_sentence", {"text": "a", "text_pair": None}, "'text_pair' is null"),
    ],
)
def test_a_broken_line_is_named_and_nothing_is_written(models, ask, tmp_path, task, line, message):
    good = {"text": "a [MASK]", "text_pair": "cat"}
    (tmp_path / "answers.jsonl").write_text("kept\n")
    with pytest.raises(DataError, match=rf"lines.txt:5: .*{message}"):
        ask(models("pretraining"), task, [good, good, good, good, line, good])
    assert (tmp_path / "answers.jsonl").read_text() == "kept\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "lines.txt"]


def test_tags_want_a_list_of_words(models, ask):
    with pytest.raises(DataError, match=r"lines.txt:1: 'words' is \[1\], wants a list of texts"):
        ask(models("tagging"), "tag", [{"words": [1]}])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"task": "translate"}, "--task=translate: wants one of fill_mask, "),
        ({"pooling": "max"}, "--pooling=max: wants one of pooled, mean, tokens"),
        ({"pooling": "pooled", "layer": 1}, "--layer=1: .*--pooling=mean"),
        ({"pooling": "mean", "layer": 2}, "--layer=2: wants 0, .* to 1"),
        ({"top_k": 0}, "--top_k=0: wants 1 or more"),
        ({"max_seq_length": 41}, "--max_seq_length=41: wants 8 to 40"),
        ({"max_seq_length": 0}, "--max_seq_length=0: wants 8 to 40"),
        ({"task": "logits"}, "--task=logits writes arrays; name a .npz file"),
    ],
)
def test_flags_that_cannot_be_are_refused(models, ask, flags, message):
    task = flags.pop("task", "embed")
    with pytest.raises(ConfigError, match=message):
        ask(models("encoder"), task, ["a cat"], **flags)


def test_files_that_cannot_be_are_refused(models, tmp_path):
    config = PredictConfig("embed")
    source = tmp_path / "lines.txt"
    with pytest.raises(DataError, match="lines.txt: no such file"):
        predict(models("encoder"), str(source), str(tmp_path / "out"), config)
    source.write_text("")
    for target in (tmp_path, tmp_path / "absent" / "out"):
        with pytest.raises(ConfigError, match="--output=.*cannot be written"):
            predict(models("encoder"), str(source), str(target), config)
    with pytest.raises(ConfigError, match="writes JSON lines, not .npz"):
        predict(models("encoder"), str(source), "x.npz", PredictConfig("fill_mask"))
    with pytest.raises(DataError, match="holds no line"):
        predict(models("encoder"), str(source), str(tmp_path / "x.npz"), config)
    assert predict(models("encoder"), str(source), str(tmp_path / "out"), config) == ()
    assert (tmp_path / "out").read_text() == ""


def test_numbers_that_are_not_finite_are_refused(models, ask, tmp_path):
    folder = tmp_path / "nan"
    folder.mkdir()
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, 3e38), load(models("encoder")).params)
    write_model(folder, Published(CONFIG, "encoder", (), {}, (), None, folder), params, TOKENIZER)
    with pytest.raises(CheckpointError, match="not finite"):
        ask(folder, "embed", ["a cat"])


def test_memory_is_looked_after_between_some_lines_and_the_next(models, ask, monkeypatch):
    looks = []
    monkeypatch.setattr(KeptMemory, "look", lambda memory: looks.append(memory))
    ask(models("sequence_classification"), "classify", TEXTS[:2] * 4)
    assert len(looks) == 3 and len(set(looks)) == 1  # eight lines, three at a time


def test_lines_of_a_pipe_are_given_out_as_they_come(tmp_path):
    pipe, report = tmp_path / "pipe", ReadReport()
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR)
    chunks = read_chunks(str(pipe), report)
    os.write(end, b"\xef\xbb\xbfone\r\n tw")
    assert [(line.place, line.fields) for line in next(chunks)] == [(f"{pipe}:1", {"text": "one"})]
    os.write(end, b'o\n{"text": "a\\u0007b", "n": 3}\n\xff\nfour')
    texts = [{"text": " two"}, {"text": "ab", "n": 3}, {"text": "\ufffd"}]
    assert [line.fields for line in next(chunks)] == texts
    os.close(end)
    (last,) = next(chunks)
    assert (last.place, last.fields) == (f"{pipe}:5", {"text": "four"})
    assert next(chunks, None) is None
    assert report.notes["control characters removed"].first == f"{pipe}:3"
    assert report.notes["lone surrogates replaced"].first == f"{pipe}:4"
