"""What a collective sends, and how long it takes."""

import pytest

from bert_jax.planning.links import Transfer, transfers
from bert_jax.training.collectives import Operation


@pytest.mark.parametrize(
    ("kind", "size", "sent"),
    [
        ("all-reduce", 800, 1400),  # seven parts of a hundred around the ring, twice
        ("all-gather", 800, 700),
        ("reduce-scatter", 100, 700),
        ("all-to-all", 800, 700),
        ("collective-permute", 800, 800),
    ],
)
def test_a_device_sends_what_a_ring_asks_for(kind, size, sent):
    assert Transfer(kind, size, 8, 8).sent == pytest.approx(sent)
    assert Transfer(kind, size, 8, 8, times=3).sent == pytest.approx(3 * sent)
    assert Transfer(kind, size, 1, 1).sent == 0


def test_within_a_domain_links_are_used_and_beyond_it_the_network(chip):
    near, far = chip.link, chip.network
    assert Transfer("all-reduce", 1e9, 4, 4).seconds(chip) == pytest.approx(1.5e9 / near)
    assert Transfer("all-reduce", 1e9, 8, 1).seconds(chip) == pytest.approx(1.75e9 / far)
    both = 1.5e9 / near + 1e9 / 4 / far
    assert Transfer("all-reduce", 1e9, 8, 4).seconds(chip) == pytest.approx(both)
    scattered = 0.75 * 1e9 / near + 0.5 * 1e9 / 4 / far
    assert Transfer("reduce-scatter", 1e9 / 8, 8, 4).seconds(chip) == pytest.approx(scattered)


def test_operations_of_a_kind_among_as_many_become_one(chip):
    found = transfers(
        [
            Operation("all-reduce", 8, (0, 1), 2),
            Operation("all-reduce", 8, (0, 1), 1),
            Operation("all-reduce", 8, (0, 4), 1),  # in two domains of four
            Operation("all-gather", 16, (), 1),  # all
        ],
        8,
        chip,
    )
    assert found == [
        Transfer("all-reduce", 8, 2, 2, times=3),
        Transfer("all-reduce", 8, 2, 1),
        Transfer("all-gather", 16, 8, 4),
    ]
