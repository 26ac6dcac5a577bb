"""What the bar over all runs of a sweep counts."""

import json

from bert_jax.sweeps.outcome import begin, note_outcome
from bert_jax.sweeps.progress import Progress


def test_a_run_that_failed_before_is_yet_to_be_done(tmp_path):
    names = ["seed=0", "seed=1"]
    runs = {name: {"overrides": {"seed": int(name[-1])}, "command": []} for name in names}
    plan = {"verb": "pretrain", "fields": ["seed"], "values": {}, "runs": runs}
    (tmp_path / "sweep.json").write_text(json.dumps(plan))
    for name, code in zip(names, (0, 3), strict=True):
        begin(tmp_path / name)
        note_outcome(tmp_path / name, code)
    progress = Progress(tmp_path, "", names, len(names))
    assert progress._bar.initial == progress._bar.n == 1.0
    progress.close()
