"""Prepare a corpus for pretraining.

    python -m bert_jax.prepare --config=configs/prepare.py --config.input=PATTERN \
        --config.output=DIR

Hardware: any machine, less than 1 GB of memory.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """Return every field with its default."""
    config = ConfigDict()
    config.input = ""  # files, folders, globs, URLs, 'tfds:NAME[/CONFIG][:SPLIT]', 'builtin'
    config.output = ""  # folder to make, or the URL to store it at
    config.format = "auto"  # 'auto', 'text', 'sentences', 'jsonl', 'tfds' or 'builtin'
    config.text_field = "text"  # where the text is in an object of JSON or TFDS
    config.document_separator = "auto"  # of format 'text': 'auto', 'file' or 'blank_line'
    config.language = "auto"  # for sentence ends: 'auto', or a code such as 'en' or 'zh'

    config.tokenizer = ConfigDict()
    config.tokenizer.path = ""  # folder, vocab.txt or .model to use; '' trains one
    config.tokenizer.kind = "wordpiece"  # 'wordpiece' or 'sentencepiece', if trained
    config.tokenizer.vocab_size = 8192  # pieces, specials included, if trained
    config.tokenizer.lower_case = placeholder(bool)  # None: as given, True if trained
    config.tokenizer.model_type = "unigram"  # 'unigram' or 'bpe', of sentencepiece
    config.tokenizer.training_megabytes = 5.0  # millions of characters; more past 16k pieces
    config.tokenizer.alphabet_share = 0.75  # in (0, 1]; most that single characters take

    config.validation_share = 0.02  # of the documents, in [0, 0.5]; 0 holds out nothing
    config.seed = 0  # >= 0; chooses the documents held out
    config.shard_tokens = 16_000_000  # tokens after which a shard ends
    config.max_sentence_characters = 10_000  # longer ones are cut at a blank
    config.max_document_characters = 4_000_000  # longer ones become several documents
    config.workers = 0  # processes; 0: one a core. The result does not depend on it
    return config
