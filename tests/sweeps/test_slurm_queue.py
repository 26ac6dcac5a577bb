"""What the commands of Slurm say, and what is made of it."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps import slurm_queue
from bert_jax.sweeps.slurm_queue import SlurmQueue


def test_one_look_tells_of_all_jobs(answers):
    answers.say("squeue", "7_0 RUNNING\n7_1 PENDING\n8 COMPLETING\n")
    queue = SlurmQueue()
    states = [queue.state(job) for job in ("7_0", "7_1", "8", "9")]
    assert states == ["RUNNING", "PENDING", "COMPLETING", None]
    assert len(answers.calls("squeue")) == 1


def test_a_new_job_is_not_taken_for_one_that_is_over(answers):
    answers.say("squeue", "")
    queue = SlurmQueue()
    answers.say("squeue", "7 PENDING\n")
    queue.added(["7"])
    assert queue.state("7") == "PENDING"


def test_a_controller_that_does_not_answer_for_a_while_loses_no_job(answers, monkeypatch):
    monkeypatch.setattr(slurm_queue, "_BETWEEN_LOOKS", -1.0)
    answers.say("squeue", "7 RUNNING\n")
    queue = SlurmQueue()
    answers.fail("squeue", "slurm_load_jobs error: Unable to contact slurm controller\n")
    assert queue.state("7") == "RUNNING" and queue.state("8") == ""
    answers.say("squeue", "8 PENDING\n")
    assert queue.state("7") is None and queue.state("8") == "PENDING"


def test_jobs_are_stopped_together_the_waiting_ones_cancelled_the_others_told(answers):
    answers.say("squeue", "7_0 RUNNING\n7_1 PENDING\n")
    queue = SlurmQueue()
    queue.stop("7_0")
    queue.stop("7_1")
    answers.say("squeue", "7_0 RUNNING\n")
    assert queue.state("7_1") is None  # it looks anew
    assert answers.calls("scancel") == ["--state=PENDING 7_0 7_1", "--signal=TERM 7_0 7_1"]


def test_how_a_job_ended_is_slurm_s_word(answers):
    answers.say("squeue", "")
    answers.say("scontrol", "JobId=7 JobName=x JobState=OUT_OF_MEMORY Reason=OutOfMemory\n")
    queue = SlurmQueue()
    assert queue.ending("7") == "OUT_OF_MEMORY"
    answers.fail("scontrol", "slurm_load_jobs error: Invalid job id specified\n")
    assert queue.ending("7") == ""


def test_a_login_node_without_a_cluster_is_refused_with_what_slurm_says(answers):
    said = "squeue: trying\nsqueue: error: resolve_ctls: no SRV records\nsqueue: fatal: no config\n"
    answers.fail("squeue", said)
    with pytest.raises(
        ConfigError, match="Slurm does not answer here .squeue: error: resolve_ctls"
    ):
        SlurmQueue()
