"""Rows as batches, and what a model says of them back as rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from bert_jax.data.grouping import Grouping, RowBatch
from bert_jax.runs.task_batches import fill, score_rows
from bert_jax.tasks.examples import Features
from bert_jax.training.sharding import MeshConfig, make_mesh

PAD = 9


def rows(*chosen, length):
    return RowBatch(np.array(chosen), length)


def test_rows_are_laid_out_and_the_batch_is_filled_up():
    features = Features(
        input_ids=[[2, 5, 3], [2, 6, 3, 7, 3], [2, 3]],
        token_type_ids=[[0, 0, 0], [0, 0, 0, 1, 1], [0, 0]],
        rows=np.arange(3),
        targets={
            "label": np.array([4, 5, 6], np.int32),
            "value": np.array([0.5, 1.5, 2.5], np.float32),
            "span": np.array([[0, 0], [1, 3], [1, 1]], np.int32),
            "tags": [[-100, 1, -100], [-100, 2, -100, 0, -100], [-100, -100]],
            "word_starts": [[1], [1, 3], []],
        },
    )
    batch = fill(features, rows(1, 2, length=6), 3, PAD)
    assert batch.input_ids.tolist() == [[2, 6, 3, 7, 3, PAD], [2, 3, *[PAD] * 4], [PAD] * 6]
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 1, 1, 0], [0] * 6, [0] * 6]
    # A row of padding alone has a token to attend to.
    assert batch.attention_mask.tolist() == [[1] * 5 + [0], [1, 1, 0, 0, 0, 0], [1] + [0] * 5]
    assert batch.weights.tolist() == [1, 1, 0]
    targets = {name: values.tolist() for name, values in batch.targets.items()}
    assert targets == {
        "label": [5, 6, 0],
        "value": [1.5, 2.5, 0],
        "span": [[1, 3], [1, 1], [0, 0]],
        "tags": [[-100, 2, -100, 0, -100, -100], [-100] * 6, [-100] * 6],
        "word_starts": [[1, 3, 0, 0, 0, 0], [0] * 6, [0] * 6],
    }
    integers = {name: values.dtype for name, values in batch.targets.items() if name != "value"}
    assert set(integers.values()) == {np.dtype(np.int32)}
    assert batch.targets["value"].dtype == batch.weights.dtype == np.float32


def make_features(count):
    """Rows of 2 to 16 tokens; their first token is their number."""
    rng = np.random.default_rng(count)
    lengths = rng.integers(2, 17, count)
    ids = [[row, *rng.integers(0, 100, length - 1)] for row, length in enumerate(lengths)]
    return Features(ids, [[0] * length for length in lengths], np.arange(count))


def scored(features, forward, put=lambda batch: batch):
    lengths = np.array([len(ids) for ids in features.input_ids])
    return score_rows(forward, features, Grouping(lengths, 4, (4, 8, 16)), put, PAD)


def of_rows(batch):
    """A row's number, the sum of its tokens, and the sum over all rows that count."""
    sums = (batch.input_ids * batch.attention_mask).sum(axis=1)
    total = jnp.broadcast_to((sums * batch.weights).sum(), sums.shape)
    return jnp.stack([batch.input_ids[:, 0], sums, total], axis=1)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 19])
def test_each_row_is_scored_once_and_in_its_place(count):
    features, seen = make_features(count), []

    def forward(batch):
        seen.extend(batch.input_ids[batch.weights > 0, 0].tolist())
        return of_rows(batch)

    found = scored(features, forward)
    assert sorted(seen) == list(range(count))
    assert [row[:2].tolist() for row in found] == [
        [number, sum(ids)] for number, ids in enumerate(features.input_ids)
    ]


def test_scores_of_tokens_are_cut_to_the_row():
    features = make_features(11)
    found = scored(features, lambda batch: np.stack([batch.input_ids, -batch.input_ids], axis=2))
    for row, ids in zip(found, features.input_ids, strict=True):
        np.testing.assert_array_equal(row, np.stack([ids, np.negative(ids)], axis=1))


def test_two_devices_score_as_one_does():
    mesh = make_mesh(MeshConfig(2, 1, 1), jax.devices()[:2])
    cut, whole = (NamedSharding(mesh, PartitionSpec(axis)) for axis in ("data", None))
    forward = jax.jit(of_rows, out_shardings=whole)
    seen = []

    def put(batch):
        batch = jax.device_put(batch, cut)
        seen.append(batch.input_ids.addressable_shards[0].data.shape[0])
        return batch

    features = make_features(19)
    on_two, on_one = scored(features, forward, put), scored(features, jax.jit(of_rows))
    np.testing.assert_array_equal(on_two, on_one)
    assert set(seen) == {2}
