"""Being asked to stop."""

import os
import signal

import pytest

from bert_jax.training import signals
from bert_jax.training.signals import Stopped, stop_requests


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_noted_or_ends_at_once_what_need_not_be_saved(number, code):
    before = signal.getsignal(number)
    done = []
    with stop_requests() as stop:
        with pytest.raises(Stopped, match=f"stopped by {number.name}$") as caught, stop.at_once():
            done.append("begun")
            os.kill(os.getpid(), number)
            done.append("went on")
        assert caught.value.exit_code == code and done == ["begun"]
    with stop_requests() as stop:
        with stop.at_once():
            done.append("no signal")
        os.kill(os.getpid(), number)
        done.append("went on")
        assert stop.number == number
        with pytest.raises(Stopped), stop.at_once():
            done.append("begun anew")
    assert done == ["begun", "no signal", "went on"]
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_is_for_the_system():
    with stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_a_second_sigterm_is_the_same_request_at_first_and_then_for_the_system(monkeypatch):
    raised = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    with stop_requests() as stop:
        for _ in range(2):  # as Slurm sends it when a machine is taken away
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM and raised == []
        monkeypatch.setattr(signals, "SAME_SECONDS", 0.0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert raised == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_handles_errors_does_not_handle_being_stopped():
    with pytest.raises(Stopped), stop_requests() as stop, stop.at_once():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception as error:
            raise AssertionError("taken for an error") from error
