"""What a person sees of a run where there is no terminal."""

import pytest

from bert_jax.training.progress import Progress

TRAIN = {"loss": 0.5, "task_loss": 0.5, "accuracy": 0.75, "learning_rate": 2e-5}


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ((), "step 7/20  train       loss 0.500  rate 2.00e-05"),
        (("accuracy",), "step 7/20  train       loss 0.500  rate 2.00e-05  accuracy 0.75"),
        (("matthews",), "step 7/20  train       loss 0.500  rate 2.00e-05"),
    ],
)
def test_a_line_shows_the_metrics_of_any_run_and_the_run_s_own(metrics, line, capsys):
    progress = Progress(0, 20, metrics)
    progress.metrics(7, "train", TRAIN)
    progress.close()
    assert capsys.readouterr().out == line + "\n"


def test_an_evaluation_without_a_loss_shows_what_there_is(capsys):
    progress = Progress(0, 20, ("f1",))
    progress.metrics(20, "validation", {"f1": 88.41234, "exact_match": 81.0})
    progress.close()
    assert capsys.readouterr().out == "step 20/20  validation  f1 88.41\n"
