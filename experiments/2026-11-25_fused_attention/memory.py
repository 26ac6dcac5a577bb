"""Compile steps of pretraining for one device that is not there, and write down what each takes.

    python -m experiments.2026-11-25_fused_attention.memory h100:1 base,512,16,fused,none ...

A case is a size, the tokens of a row, the rows, `config.attention`, `config.rematerialize` and,
where sequences share rows, `packed`. Lines of JSON go to standard output. Needs the compiler that
`bert_jax.plan` needs; for fused attention on a GPU, cuDNN too (pip install nvidia-cudnn-cu12).
"""

import json
import sys
import time

from bert_jax.planning import target as targets

PREDICTIONS = {128: 20, 512: 80}
WORDS, MASK, SPECIAL = 30_522, 103, (0, 101, 102)


def main(topology: str, cases: list[str]) -> None:
    """Compile each case; one that the compiler refuses is told as such."""
    asked = targets.parse_topology(topology)
    targets.settle(asked)
    target = targets.absent(asked)
    for case in cases:
        print(json.dumps({"target": topology, "case": case, **measure(case, target)}), flush=True)


def measure(case: str, target: targets.Target) -> dict:
    """Compile a case and give its bytes."""
    from bert_jax import cli
    from bert_jax.objectives.masking import Vocabulary
    from bert_jax.planning.compiling import TooLarge, compile_step
    from bert_jax.runs.pretraining import assemble_step
    from bert_jax.runs.pretraining_config import PretrainConfig
    from configs import pretrain

    size, length, rows, attention, rematerialize, *packed = case.split(",")
    config = pretrain.get_config(f"{size},{target.platform}")
    config.update_from_flattened_dict(
        {
            "model.vocab_size": WORDS,
            "model.attention_probs_dropout_prob": 0.0,
            "train.batch_size": int(rows) * len(target.devices),
            "train.max_seq_length": int(length),
            "train.max_predictions": PREDICTIONS[int(length)],
            "train.packed_length": int(length) if packed else 0,
            "attention": attention,
            "rematerialize": rematerialize,
        }
    )
    built = cli.build(PretrainConfig, config.to_dict(), "config")
    step = assemble_step(built, Vocabulary(WORDS, MASK, SPECIAL), built.sharding(target.devices))
    started = time.process_time()
    try:
        found = compile_step(step, step.plan.phases[0], target)
    except TooLarge as refused:
        return {"refused": refused.used}
    sizes = {name: getattr(found, name) for name in ("temporary", "arguments", "peak")}
    return sizes | {"scanned": built.scan_layers, "seconds": round(time.process_time() - started)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
