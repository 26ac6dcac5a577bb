"""Pretrain BERT: masked language modelling and next sentence prediction.

    python -m bert_jax.pretrain --config=configs/pretrain.py:base,gpu \
        --config.data.path=DIR --workdir=runs/base

Behind the colon: a size (tiny, mini, small, medium, base, large; base by default), the kind of
accelerator (cpu, gpu, tpu; by default what JAX finds) and a profile (google, the default, or
huggingface; see `configs/profiles.py`). Each may be left out.

The numbers are those of the paper's recipe for sequences of 128: 1M steps of 256 sequences,
AdamW at 1e-4 with 10k steps of warm-up, dropout 0.1. `configs/bert.py` adds its second
phase. Hardware and scores at full size: not yet run.
"""

from ml_collections import ConfigDict, config_dict

from bert_jax.model.config import SIZES
from bert_jax.processor import multiplies_bfloat16
from configs import prepare
from configs.profiles import PROFILES, ProfileName

ACCELERATORS = ("cpu", "gpu", "tpu")


def get_config(arguments: str = "") -> ConfigDict:
    """Make a config of a size, an accelerator and a profile: "large,tpu,google", "mini" or ""."""
    size, accelerator, profile_name = _parse(arguments)
    profile = PROFILES[profile_name]
    on_accelerator = accelerator in ("gpu", "tpu")
    config = ConfigDict()

    config.profile = ProfileName(profile_name)  # what fields below come from; no flag changes it
    config.seed = 0  # of parameters, pairs, masks and dropout; batches depend on it and the step
    config.budget_minutes = 0.0  # from start to report: train.steps and all that counts in steps
    # becomes a recipe that is stretched over the steps there is time for; 0: as it stands
    config.init_from = config_dict.placeholder(str)  # to begin with: run, Hugging Face, TF1
    config.output_bias = "zeros"  # where the MLM's begins; "frequencies": at the log of each share
    halves = on_accelerator or multiplies_bfloat16()
    config.compute_dtype = "bfloat16" if halves else "float32"  # of products' factors
    config.activation_dtype = "bfloat16" if on_accelerator else "float32"  # of what they give
    config.scan_layers = accelerator == "tpu" and SIZES[size]["num_hidden_layers"] > 8  # compiles
    # in a fraction of the time; on a GPU a step then takes an eighth longer
    config.rematerialize = "none"  # keep all; "dots": what dense layers give; "layer": its input
    config.attention = "auto"  # "fused": one kernel (GPU, TPU), which keeps no probabilities, and
    # drops some in rows of up to 128 tokens on a GPU alone; "plain"; "auto": fused where a GPU can

    config.data = ConfigDict()
    config.data.path = "builtin"  # prepared folder or URL, or text: pattern, tfds:NAME, builtin
    config.data.dupe_factor = 0  # copies of the text, of fixed pairs and masks, that come again and
    # again, as in the original (10); 0: pairs and masks are new in every epoch

    config.prepare = prepare.get_config()  # how text is prepared when data.path is text
    del config.prepare.input, config.prepare.output

    config.model = ConfigDict(SIZES[size])
    config.model.vocab_size = config_dict.placeholder(int)  # by default the tokenizer's
    config.model.hidden_act = profile.hidden_act  # gelu (exact), gelu_new (tanh), relu, silu
    config.model.hidden_dropout_prob = 0.1  # after embeddings and before each residual sum
    config.model.attention_probs_dropout_prob = 0.1
    config.model.max_position_embeddings = 512  # longest sequence the model can ever take
    config.model.type_vocab_size = 2  # segments: A and B
    config.model.initializer = profile.initializer  # truncated_normal (cut at two sigma), normal
    config.model.initializer_range = 0.02  # its sigma
    config.model.layer_norm_eps = 1e-12
    config.model.normalization = "post"  # LayerNorm after the residual (BERT) or before the block
    config.model.tie_word_embeddings = True  # output scores from the token embeddings

    config.pairs = ConfigDict()
    config.pairs.next_sentence = True  # False: rows of one segment, no NSP loss
    config.pairs.random_next_probability = 0.5
    config.pairs.short_sequence_probability = 0.1  # of a shorter target length

    config.masking = ConfigDict()
    config.masking.rate = 0.15  # share of tokens predicted
    config.masking.mask_share = 0.8  # of those: replaced by [MASK]
    config.masking.random_share = 0.1  # replaced by a random token; the rest stays as it is
    config.masking.evaluation_rate = 0.15  # the same for all runs, so that they can be compared

    config.optimizer = ConfigDict()
    config.optimizer.name = profile.optimizer  # bert_adamw (no bias correction), adamw, lamb
    config.optimizer.learning_rate = 1e-4  # at the end of warm-up
    config.optimizer.warmup_steps = 10_000
    config.optimizer.schedule = profile.schedule  # linear, linear_after_warmup, cosine, constant
    config.optimizer.end_learning_rate = 0.0  # at the last step
    config.optimizer.beta1 = 0.9
    config.optimizer.beta2 = 0.999
    config.optimizer.epsilon = profile.epsilon
    config.optimizer.weight_decay = 0.01
    config.optimizer.no_decay = ("/bias$", "layer_norm/scale$")  # searched in parameter paths
    config.optimizer.clip_norm = 1.0  # global norm of gradients; 0: no clipping
    config.optimizer.mu_dtype = "float32"  # of the first moment; "bfloat16": half of its memory

    config.train = ConfigDict()
    config.train.steps = 1_000_000
    config.train.batch_size = 256  # rows, over all devices
    config.train.max_seq_length = 128  # tokens of a sequence, special ones included
    config.train.max_predictions = 20  # masked tokens a sequence at most
    config.train.predictions_at_once = 0 if on_accelerator else 256  # scored against the vocabulary
    # together, on one device; fewer take less memory, on a CPU less time too; 0: all of a batch
    config.train.packed_length = 0  # tokens of a row that sequences share; 0: a row a sequence
    config.train.packed_sequences = 8  # of them in a shared row at most; shapes depend on it, and
    # 3 take less time where packed_length is max_seq_length: few are short
    config.train.gradient_accumulation = 1  # parts that a batch is computed in
    config.train.log_every = 100  # steps
    config.train.eval_every = 5_000  # steps
    config.train.eval_sequences = 4_096  # held-out rows, the same each time
    config.train.samples = 8  # held-out sentences whose [MASK]s are shown in the report
    config.train.checkpoint_every = 5_000  # steps
    config.train.keep_checkpoints = 2  # the newest
    config.train.skipped_steps_limit = 20  # in a row, then the run stops with code 6
    config.train.spike_factor = 0.0  # skip norms so many deviations high, say 10; 0: never
    config.train.spike_window = 100  # steps before whose norms tell what is high
    config.train.watchdog_seconds = 3600.0  # with nothing finished it leaves with code 8; 0: never

    config.probe = ConfigDict()  # needs no held-out text; lines of split "probe" in metrics.jsonl
    config.probe.every = 0  # steps, with a budget too; also after the last one; 0: never
    config.probe.pairs = "builtin"  # English; or a TSV of phenomenon, good, bad sentence; "": none
    config.probe.labelled = "builtin"  # for a linear probe: or a TSV of task, label, sentence; ""

    config.phases = ConfigDict()  # later phases by name; see configs/bert.py

    config.mesh = ConfigDict()  # devices along each axis; -1: all that remain
    config.mesh.data = -1
    config.mesh.fsdp = 1
    config.mesh.tensor = 1
    config.mesh.sequence = 1  # parts of each row's tokens, for long rows; divides their length

    config.rules = ConfigDict()  # mesh axes that each dimension is cut over; (): kept whole
    config.rules.batch = ("data", "fsdp")
    config.rules.sequence = ("sequence",)  # tokens, and predictions, of activations
    config.rules.vocab = ("tensor",)
    config.rules.embed = ("fsdp",)
    config.rules.heads = ("tensor",)
    config.rules.mlp = ("tensor",)
    config.rules.position = ()
    config.rules.norm = ()
    config.rules["class"] = ()
    return config


def _parse(arguments: str) -> tuple[str, str, str]:
    size, accelerator, profile = "base", None, "google"
    for word in filter(None, arguments.split(",")):
        if word in SIZES:
            size = word
        elif word in ACCELERATORS:
            accelerator = word
        elif word in PROFILES:
            profile = word
        else:
            known = ", ".join((*SIZES, *ACCELERATORS, *PROFILES))
            raise ValueError(f"{word!r} is no size, accelerator or profile: {known}")
    return size, accelerator or _found(), profile


def _found() -> str:
    import jax

    return jax.default_backend()
