"""The campaigns in their short form, and the judges that must not be fooled."""

import json
import pickle
import random
import time

import pytest

from bert_jax.errors import DataError
from experiments.faults import damage, flipped_bits, guard, inputs, names, pickles, texts, tries
from experiments.faults.tries import Campaign, Result

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder for all campaigns: what one has prepared the others find again."""
    return tmp_path_factory.mktemp("faults")


@pytest.mark.parametrize("name", ["flipped_bits", "truncated", "texts", "inputs", "hostile"])
def test_a_few_tries_of_a_campaign_end_as_asked(name, work):
    record = tries.run(name, names.load(name), work, short=True)
    assert record["bad_tries"] == []
    assert record["passed"] and record["tries"] == sum(record["kinds"].values()) > 9


@pytest.mark.parametrize("kind", inputs.INPUTS)
def test_inputs_are_read_as_long_as_nobody_changes_them(kind, work, tmp_path, monkeypatch):
    """What is always refused would prove nothing."""
    monkeypatch.setattr(damage, "mutate", lambda data, draw: data)
    monkeypatch.setattr(damage, "mutate_value", lambda value, draw: value)
    action = inputs.INPUTS[kind](inputs.prepare(work), tmp_path, random.Random(0))
    assert guard.call(action).kind == "fine"


def test_every_campaign_has_its_figure():
    for name in names.NAMES:
        campaign = names.load(name)
        assert campaign.asked and (campaign.tries is None or campaign.tries >= campaign.short)


def test_a_try_is_made_again_by_its_number(tmp_path):
    drawn = {}

    def attempt(shared, one):
        drawn.setdefault(one.number, []).append(one.draw.random())
        return Result("drawn", True)

    campaign = Campaign("", 9, 3, lambda work: None, attempt)
    for only in (None, 4):
        tries.run("c", campaign, tmp_path, only=only)
    assert drawn[4][0] == drawn[4][1] and len(set(sum(drawn.values(), []))) == 9
    tries.run("c", campaign, tmp_path, seed=1, only=4)
    assert drawn[4][2] != drawn[4][0]


def test_a_bad_try_is_recorded_and_its_folder_stays(tmp_path):
    campaign = Campaign("", 2, 2, lambda work: None, lambda _, one: Result("x", one.number == 0))
    record = tries.run("c", campaign, tmp_path)
    assert record["passed"] is False and record["bad_tries"][0]["try"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["try_1"]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (lambda: 1, "fine"),
        (lambda: _raise(DataError("file: bad; mend it")), "refused"),
        (lambda: _raise(DataError("file: bad\nand worse")), "refused in several lines"),
        (lambda: _raise(DataError("")), "refused in several lines"),
        (lambda: [][1], "traceback"),
        (lambda: _raise(SystemExit(1)), "traceback"),
        (lambda: _spin(), "hang"),
    ],
)
def test_what_comes_out_is_sorted(action, kind):
    assert guard.call(action, seconds=0.1).kind == kind


def _raise(error):
    raise error


def _spin():
    while True:
        try:
            time.process_time()
        except Exception:
            pass


def test_a_checkpoint_read_without_a_look_at_its_sums_is_caught(work, monkeypatch):
    """The negative control of the flipped bits."""
    shared = flipped_bits.prepare(work)
    monkeypatch.setattr(
        "bert_jax.training.checkpoints.verified",
        lambda folder: json.loads((folder / "manifest.json").read_text()),
    )
    result = flipped_bits.judge_checkpoints(shared.checkpoints, "")
    assert not result.good and result.kind == "checkpoints: used in silence"


def test_what_the_canary_waits_for_does_happen_where_pickles_are_trusted(tmp_path):
    """The negative control of the hostile files."""
    for kind in ("os.system", "INST", "STACK_GLOBAL"):
        canary = tmp_path / kind
        pickle.loads(pickles.commands(canary)[kind])
        assert canary.exists()


@pytest.mark.parametrize(
    ("data", "format", "documents"),
    [
        (b"One.\nTwo.\n\n\nThree.", "sentences", 2),
        (b"\xef\xbb\xbf\n \r\n\rOne.\r\n", "text", 1),
        (b"\x00\x01\n\nx", "text", 1),
        (b'{"text": 1}\n\n{"text": "x"}\n', "jsonl", 2),
        (b"", "text", 0),
    ],
)
def test_documents_are_counted_in_another_way(data, format, documents):
    assert texts.count_documents(data, format) == documents


def test_damage_changes_something(tmp_path):
    path = tmp_path / "file"
    for seed in range(20):
        path.write_bytes(b"some bytes")
        damage.flip_bit(path, random.Random(seed))
        changed = path.read_bytes()
        differing = [a ^ b for a, b in zip(changed, b"some bytes", strict=True) if a != b]
        assert len(differing) == 1 and differing[0].bit_count() == 1
    values = {json.dumps(damage.mutate_value({"a": [1]}, random.Random(i))) for i in range(50)}
    assert len(values) > 10
