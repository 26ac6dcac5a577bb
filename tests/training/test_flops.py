"""How much arithmetic a step is."""

import dataclasses

import pytest

from bert_jax.model import BertConfig, Execution
from bert_jax.model.config import SIZES
from bert_jax.training.flops import (
    flops_per_row,
    flops_per_step,
    products_of_row,
    recomputed_per_step,
)
from bert_jax.training.phases import Phase

BASE = BertConfig(vocab_size=30522, **SIZES["base"])
PHASE = Phase("first", 0, 0, 10, 256, 128, 20, 1)


def test_the_products_of_base_are_those_counted_by_hand():
    assert products_of_row(BASE, 128, 20) == {
        "query, key, value and output": 12 * 128 * 4 * 2 * 768 * 768,
        "queries with keys": 12 * 12 * 2 * 128 * 128 * 64,  # layers, heads
        "probabilities with values": 12 * 12 * 2 * 128 * 128 * 64,
        "feed-forward": 12 * 128 * 2 * 2 * 768 * 3072,
        "pooler and next sentence": 2 * 768 * 768 + 2 * 768 * 2,
        "transform of predictions": 20 * 2 * 768 * 768,
        "scores of the vocabulary": 20 * 2 * 768 * 30522,
    }


def test_a_step_is_a_forward_pass_and_two_backward_on_every_row():
    assert flops_per_step(BASE, PHASE, 20) == 3 * 256 * flops_per_row(BASE, 128, 20)
    packed = dataclasses.replace(PHASE, packed_length=512, packed_sequences=8)
    assert flops_per_step(BASE, packed, 80, 8) == 3 * 256 * flops_per_row(BASE, 512, 80, 8)


def test_layers_alone_are_computed_again():
    assert recomputed_per_step(BASE, Execution(), PHASE) == 0
    again = recomputed_per_step(BASE, Execution(rematerialize="layer"), PHASE)
    layers = list(products_of_row(BASE, 128, 20).values())[:4]
    assert again == pytest.approx(256 * sum(layers))
    again = recomputed_per_step(BASE, Execution(rematerialize="dots"), PHASE)
    assert again == pytest.approx(256 * sum(layers[1:3]))


def test_fused_attention_computes_its_scores_twice():
    fused = Execution(attention="splash", rematerialize="layer")
    more = recomputed_per_step(BASE, fused, PHASE) - recomputed_per_step(
        BASE, dataclasses.replace(fused, attention="plain"), PHASE
    )
    assert more == 256 * 12 * 2 * 128**2 * 768
