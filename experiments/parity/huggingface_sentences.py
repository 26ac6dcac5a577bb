"""Say what `transformers` computes with published weights for 200 sentences of QNLI.

Needs torch and transformers, see huggingface_models. WEIGHTS is a folder with a BERT and its
tokenizer; DATA holds glue/QNLI/dev.tsv.gz.

    python -m experiments.parity.huggingface_sentences WEIGHTS DATA OUT.npz
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

SENTENCES = 200
MAX_LENGTH = 128


def main(weights: Path, data: Path, out: Path) -> None:
    """Write the sentences, their ids, and all hidden states; shorter rows are padded."""
    with gzip.open(data / "glue/QNLI/dev.tsv.gz", "rt", encoding="utf-8") as file:
        column = [line.split("\t")[2] for line in list(file)[1:]]
    sentences = list(dict.fromkeys(column))[:SENTENCES]
    tokenizer = AutoTokenizer.from_pretrained(weights)
    batch = tokenizer(
        sentences, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    model = AutoModel.from_pretrained(weights, dtype=torch.float32).eval()
    with torch.no_grad():
        result = model(**batch, output_hidden_states=True)
    np.savez(
        out,
        sentences=np.array(sentences),
        input_ids=batch["input_ids"].numpy(),
        attention_mask=batch["attention_mask"].numpy(),
        hidden_states=torch.stack(result.hidden_states).numpy(),
        pooled=result.pooler_output.numpy(),
    )
    print(f"{len(sentences)} sentences, {int(batch['attention_mask'].sum()):,} tokens")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
