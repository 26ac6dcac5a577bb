"""Which of a run's models is kept, and what is remembered of it."""

from bert_jax.runs.best_model import BestModel


def test_what_the_best_model_said_is_remembered_and_not_what_a_later_one_did():
    kept = []
    best = BestModel("accuracy", lambda step, params: kept.append(step), patience=0, history=[])
    for step, (accuracy, said) in enumerate([(0.5, "first"), (0.8, "best"), (0.8, "last")]):
        best.latest = said
        best(step, None, {"accuracy": accuracy})
    assert kept == [0, 1] and best.scores == "best"


def test_of_a_best_model_of_an_earlier_start_nothing_is_remembered():
    best = BestModel("accuracy", lambda step, params: None, patience=0, history=[0.9])
    best.latest = "worse"
    best(7, None, {"accuracy": 0.8})
    assert best.scores is None
