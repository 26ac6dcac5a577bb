"""Fine-tune a BERT on a task.

    python -m bert_jax.finetune --config=configs/finetune.py:sst2 \
        --config.data.path=glue/SST-2 --config.init_from=MODEL --workdir=runs/sst2

Behind the colon: a GLUE task (cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli); `own` for texts
or pairs of your own in TSV, CSV or JSONL; `squad1`, `squad2`, `cmrc2018` for questions; `tags` for
words with a tag each, in CoNLL form. Then, as for pretraining, an accelerator.

The numbers are in the range that the paper searched: batch 16 or 32, a rate of 5e-5, 3e-5 or 2e-5,
2 to 4 epochs; small models want 1e-4 to 3e-4 and 4 epochs. Hardware: any.
"""

from ml_collections import ConfigDict, config_dict

from configs import pretrain


def get_config(arguments: str = "own") -> ConfigDict:
    """Make the config of a task on an accelerator: "sst2", "mrpc,gpu" or "own,cpu"."""
    task, *rest = arguments.split(",")
    for word in rest:
        if word not in pretrain.ACCELERATORS:
            raise ValueError(f"{word!r} is no accelerator: {', '.join(pretrain.ACCELERATORS)}")
    base = pretrain.get_config(",".join(rest))
    config = ConfigDict()

    config.task = task
    config.init_from = config_dict.placeholder(str)  # run, Hugging Face, TF1 folder; 'random'
    config.seed = 0  # of the new head, the order of rows and dropout
    config.num_seeds = 1  # runs from seed, seed + 1, ...; of several each in workdir/seed_N
    config.seeds_at_once = 1  # of them, trained together on one device; 1: one after another
    config.compute_dtype = base.compute_dtype
    config.activation_dtype = base.activation_dtype
    config.scan_layers = base.scan_layers
    config.rematerialize = base.rematerialize
    config.attention = base.attention

    config.data = ConfigDict()
    config.data.path = ""  # folder of the benchmark's files, 'tfds'; of own: file or folder
    config.data.validation = ""  # own: file, where path does not lead to it
    config.data.test = ""  # own: file; its labels may be missing
    config.data.text_column = "text"  # own
    config.data.pair_column = ""  # own; '' where a text stands alone
    config.data.label_column = "label"  # own
    config.data.labels = ()  # own: classes in their order; () finds them in the rows
    config.data.regression = False  # own: labels are numbers
    config.data.format = "auto"  # own: 'tsv', 'csv', 'jsonl', 'json'
    config.data.delimiter = ""  # own: between cells, '' for that of the format
    config.data.header = ()  # own: names of the columns of files without a header line
    config.data.questions = ConfigDict()  # squad1, squad2, cmrc2018; all in tokens
    config.data.questions.doc_stride = 128  # from one window of a long text to the next
    config.data.questions.max_query_length = 64  # longer questions are cut
    config.data.questions.max_answer_length = 30
    config.data.questions.n_best = 20  # answers kept for a question
    config.data.tagging = ConfigDict()  # tags: files in CoNLL form
    config.data.tagging.head = "linear"  # or 'crf'
    config.data.tagging.word_column = 0
    config.data.tagging.tag_column = -1  # the last
    config.data.tagging.separator = "blank"  # any blanks and tabs; or 'tab'
    config.data.tagging.comment = ""  # lines that begin so are left out
    config.data.tagging.scheme = "auto"  # 'iob1', 'iob2', 'iobes'
    config.data.tagging.broken_tags = "error"  # or 'repair': read as the CoNLL scorer does
    config.data.validation_share = 0.1  # own: of the training rows, where there is no such file

    config.random = ConfigDict()  # the model where init_from is 'random'
    config.random.size = "tiny"  # tiny, mini, small, medium, base, large
    config.random.tokenizer = ""  # folder, vocab.txt or .model

    config.model = ConfigDict()  # of the checkpoint's architecture: what fine-tuning changes
    config.model.hidden_dropout_prob = 0.1
    config.model.attention_probs_dropout_prob = 0.1

    config.optimizer = ConfigDict(base.optimizer)
    del config.optimizer.warmup_steps
    config.optimizer.name = "adamw"  # bias correction: small tasks need it (arXiv:2006.05987)
    config.optimizer.learning_rate = 3e-5
    config.optimizer.warmup_share = 0.1  # of all steps, in [0, 1]
    config.optimizer.schedule = "linear_after_warmup"
    config.optimizer.weight_decay = 0.01

    config.train = ConfigDict()
    config.train.epochs = 3.0
    config.train.batch_size = 32  # rows
    config.train.eval_batch_size = 64  # rows
    config.train.gradient_accumulation = 1
    config.train.max_seq_length = 0  # tokens; 0: 128 (questions 384) or all the model has
    config.train.static_lengths = ()  # that batches are padded to; () chooses a few
    config.train.what = "all"  # what moves: 'all', 'head' (the encoder frozen), 'top:K' layers
    config.train.layer_decay = 1.0  # rate of a layer as a multiple of that above, in (0, 1]
    config.train.reinitialize_layers = 0  # top layers, and the pooler, drawn anew
    config.train.new_head = False  # draw the head anew where the checkpoint has one for the task
    config.train.evaluations = 3  # over the whole run, evenly; the best model is kept
    config.train.patience = 0  # evaluations without a better score after which to stop; 0: never
    config.train.log_every = 0  # steps; 0: fifty times in the run
    config.train.checkpoint_every = 500  # steps
    config.train.skipped_steps_limit = 20  # in a row, then the run stops with code 6
    config.train.spike_factor = 0.0  # skip norms so many deviations high, say 10; 0: never
    config.train.spike_window = 100  # steps before whose norms tell what is high
    config.train.watchdog_seconds = 3600.0  # with nothing finished it leaves with code 8; 0: never

    config.mesh = base.mesh
    config.rules = base.rules
    return config
