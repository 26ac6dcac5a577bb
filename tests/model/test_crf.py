"""The chain against every path written out: rows of one to five words, up to four classes."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.model.crf import (
    Chain,
    TagChain,
    forbid,
    gather_words,
    log_likelihood,
    viterbi,
)
from bert_jax.tasks.schemes import allowed_transitions, classes_of, find_break

WORDS = 5
LENGTHS = np.array([5, 1, 3, 2, 4])
MASK = np.arange(WORDS) < LENGTHS[:, None]


likelihood = jax.jit(log_likelihood)
decode = jax.jit(viterbi)


@jax.jit
@functools.partial(jax.value_and_grad, argnums=(0, 1))
def value_and_gradient(chain, emissions, tags, mask):
    return log_likelihood(chain, emissions, tags, mask).sum()


def draw(classes, seed=0):
    """A chain and emissions, in float64."""
    rng = np.random.default_rng(seed)
    chain = Chain(
        rng.normal(size=classes), rng.normal(size=(classes, classes)), rng.normal(size=classes)
    )
    return chain, 2 * rng.normal(size=(len(LENGTHS), WORDS, classes))


def float32(tree):
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)


def paths(classes, length):
    return list(itertools.product(range(classes), repeat=length))


def score(chain, emissions, path):
    """Add up the scores of one path of a row, one at a time."""
    total = chain.start[path[0]] + chain.end[path[-1]]
    total += sum(emissions[i, tag] for i, tag in enumerate(path))
    return total + sum(chain.transitions[a, b] for a, b in itertools.pairwise(path))


def log_probabilities(chain, emissions, length):
    """The log-probability of every path of a row, by path."""
    found = {p: score(chain, emissions, p) for p in paths(emissions.shape[1], length)}
    total = np.logaddexp.reduce(list(found.values()))
    return {path: value - total for path, value in found.items()}


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_log_likelihood_of_every_path_is_that_of_enumeration(classes):
    chain, emissions = draw(classes)
    rows, given, wanted = [], [], []
    for row, length in enumerate(LENGTHS):
        found = log_probabilities(chain, emissions[row], length)
        rows += [row] * len(found)
        given += [[*path, *[-100] * (WORDS - length)] for path in found]
        wanted += found.values()
    rows, given = np.array(rows), np.array(given, np.int32)
    found = likelihood(*float32((chain, emissions[rows])), given, MASK[rows])
    np.testing.assert_allclose(found, wanted, atol=3e-6, rtol=1e-6)
    sums = np.bincount(rows, np.exp(np.float64(found)))
    np.testing.assert_allclose(sums, np.ones(len(LENGTHS)), atol=1e-5)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_viterbi_finds_the_best_of_all_paths(classes):
    for seed in range(3):
        chain, emissions = draw(classes, seed)
        found = np.asarray(decode(*float32((chain, emissions)), MASK))
        for row, length in enumerate(LENGTHS):
            best = max(paths(classes, length), key=lambda path: score(chain, emissions[row], path))
            assert found[row].tolist() == [*best, *[0] * (WORDS - length)]


def test_gradients_are_what_the_path_has_less_what_is_expected():
    """The gradient of a log-linear model: counts of the path minus expected counts."""
    classes = 3
    chain, emissions = draw(classes)
    tags = np.random.default_rng(1).integers(0, classes, MASK.shape)
    given = np.where(MASK, tags, -100).astype(np.int32)
    wanted = Chain(np.zeros(classes), np.zeros((classes, classes)), np.zeros(classes))
    wanted_emissions = np.zeros(emissions.shape)
    for row, length in enumerate(LENGTHS):
        shares = {
            p: -np.exp(v) for p, v in log_probabilities(chain, emissions[row], length).items()
        }
        for path, share in [*shares.items(), (tuple(tags[row, :length]), 1.0)]:
            wanted.start[path[0]] += share
            wanted.end[path[-1]] += share
            for a, b in itertools.pairwise(path):
                wanted.transitions[a, b] += share
            for i, tag in enumerate(path):
                wanted_emissions[row, i, tag] += share

    _, found = value_and_gradient(*float32((chain, emissions)), given, MASK)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=3e-6), found, (wanted, wanted_emissions)
    )
    assert not found[1][~MASK].any()


def test_what_stands_in_the_padding_does_not_matter():
    chain, emissions = float32(draw(3))
    tags = np.ones(MASK.shape, np.int32)
    changed = np.where(MASK[:, :, None], emissions, 1e4)
    wanted = likelihood(chain, emissions, tags, MASK)
    found = likelihood(chain, changed, np.where(MASK, tags, -100), MASK)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(decode(chain, changed, MASK), decode(chain, emissions, MASK))
    # More of it, too.
    wider = ((0, 0), (0, 3))
    longer = np.pad(emissions, (*wider, (0, 0)), constant_values=7)
    found = likelihood(chain, longer, np.pad(tags, wider), np.pad(MASK, wider))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_row_without_words_has_no_likelihood_and_no_gradient():
    chain, emissions = float32(draw(3))
    none = np.zeros_like(MASK)

    given = np.full(none.shape, -100, np.int32)
    value, gradient = value_and_gradient(chain, emissions, given, none)
    assert value == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))
    assert not np.any(decode(chain, emissions, none))


def test_sums_are_taken_in_float32_and_stay_finite():
    """Emissions in bfloat16, so far apart that exponentials of sums would overflow."""
    emissions = (60 * np.random.default_rng(0).normal(size=(1, 40, 3))).astype(jnp.bfloat16)
    chain, mask = Chain(np.zeros(3), np.zeros((3, 3)), np.zeros(3)), np.ones((1, 40), bool)
    chain = float32(chain)
    best = decode(chain, emissions, mask)
    value, (_, gradient) = value_and_gradient(chain, emissions, best, mask)
    # Without transitions words are independent: a softmax for each.
    scores = emissions[0].astype(np.float64)
    np.testing.assert_array_equal(best[0], scores.argmax(-1))
    wanted = scores.max(-1).sum() - np.logaddexp.reduce(scores, axis=-1).sum()
    assert value.dtype == jnp.float32
    assert value == pytest.approx(wanted, abs=2e-3)
    assert np.isfinite(np.float32(gradient)).all()


def test_a_new_chain_is_all_zeros():
    parameters = TagChain(4).init(jax.random.key(0))["params"]
    assert {name: value.shape for name, value in parameters.items()} == {
        "start": (4,),
        "transitions": (4, 4),
        "end": (4,),
    }
    assert not any(value.any() for value in parameters.values())


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes"])
def test_a_forbidden_path_is_never_taken_and_the_best_of_the_others_is(scheme):
    labels = classes_of(["A", "B"] if scheme != "iobes" else ["A"], scheme)
    allowed = allowed_transitions(labels, scheme)
    for seed in range(3):
        chain, emissions = draw(len(labels), seed)
        forbidden = forbid(float32(chain), *map(jnp.asarray, allowed))
        found = np.asarray(decode(forbidden, float32(emissions), MASK))
        for row, length in enumerate(LENGTHS):
            kept = [
                path
                for path in paths(len(labels), length)
                if find_break([labels[i] for i in path], scheme) is None
            ]
            best = max(kept, key=lambda path: score(chain, emissions[row], path))
            assert found[row, :length].tolist() == list(best)


def test_words_are_gathered_at_their_first_pieces():
    gather = jax.jit(gather_words)
    hidden = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    starts = np.array([[1, 3, 4], [2, 0, 0]], np.int32)
    found = gather(hidden, starts)
    np.testing.assert_array_equal(found[0], hidden[0, [1, 3, 4]])
    np.testing.assert_array_equal(found[1, 0], hidden[1, 2])
    tags = np.array([[-100, 5, -100, 6, 7, -100], [-100, -100, 8, -100, -100, -100]], np.int32)
    np.testing.assert_array_equal(gather(tags, starts), [[5, 6, 7], [8, -100, -100]])
