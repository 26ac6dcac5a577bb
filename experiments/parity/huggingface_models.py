"""Say what `transformers` computes for six small models: outputs, gradients, ten AdamW steps.

Needs torch and transformers, which this project does not use: run it in an environment of its own.
Writes a folder a model: `model/`, `gradients/` and `trained/` in the form of Hugging Face (the
gradients stand in the place of the weights), `batch.npz` and `outputs.npz`.

    python -m experiments.parity.huggingface_models OUT [MODEL ...]
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertForPreTraining

# Sizes that no published BERT has, so that nothing fits by luck; the rest of a row is padding.
MODELS = {
    "all_odd": {
        "sizes": {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 5,
                  "intermediate_size": 77, "vocab_size": 101, "max_position_embeddings": 23,
                  "type_vocab_size": 3, "hidden_act": "relu"},
        "length": 19, "row_lengths": (19, 7, 12, 1),
    },
    "five_layers": {
        "sizes": {"hidden_size": 9, "num_attention_heads": 3, "num_hidden_layers": 5,
                  "intermediate_size": 14, "vocab_size": 31, "max_position_embeddings": 13},
        "length": 11, "row_lengths": (11, 6, 9),
    },
    "three_token_types": {
        "sizes": {"hidden_size": 10, "num_attention_heads": 5, "num_hidden_layers": 2,
                  "intermediate_size": 17, "vocab_size": 23, "max_position_embeddings": 9,
                  "type_vocab_size": 3, "hidden_act": "relu"},
        "length": 9, "row_lengths": (5, 9, 2),
    },
    "length_one": {
        "sizes": {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1,
                  "intermediate_size": 19, "vocab_size": 21, "max_position_embeddings": 3},
        "length": 1, "row_lengths": (1, 1, 1, 1),
    },
    "untied": {
        "sizes": {"hidden_size": 18, "num_attention_heads": 2, "num_hidden_layers": 1,
                  "intermediate_size": 10, "vocab_size": 43, "max_position_embeddings": 17,
                  "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "tie_word_embeddings": False},
        "length": 13, "row_lengths": (3, 13, 13),
    },
    "narrow_heads": {
        "sizes": {"hidden_size": 21, "num_attention_heads": 7, "num_hidden_layers": 3,
                  "intermediate_size": 130, "vocab_size": 53, "max_position_embeddings": 40,
                  "type_vocab_size": 1, "hidden_act": "silu"},
        "length": 40, "row_lengths": (40, 33),
    },
}  # fmt: skip

STEPS = 10
WARMUP_STEPS = 2
PEAK_RATE = 1e-4  # of BERT's recipe
EPSILON = 1e-6
WEIGHT_DECAY = 0.1  # ten times BERT's, so that ten steps tell what is decayed
CLIP_NORM = 1.0
NO_LABEL = -100


def main(out: Path, names: list[str]) -> None:
    """Write the folder of each model."""
    for seed, (name, spec) in enumerate(MODELS.items()):
        if names and name not in names:
            continue
        directory = out / name
        directory.mkdir(parents=True, exist_ok=True)
        model = make_model(spec["sizes"], seed)
        batch = make_batch(model.config, spec["length"], spec["row_lengths"], seed)
        model.save_pretrained(directory / "model")
        np.savez_compressed(directory / "batch.npz", **batch)
        inputs = {key: torch.from_numpy(value).long() for key, value in batch.items()}
        np.savez_compressed(directory / "outputs.npz", **outputs(model, inputs))
        save_gradients(model, inputs, directory / "gradients")
        train(model, inputs)
        model.save_pretrained(directory / "trained")
        print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


def make_model(sizes: dict, seed: int) -> BertForPreTraining:
    """Draw every parameter wide; embeddings small, so that the epsilon of LayerNorm is felt."""
    config = BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    model = BertForPreTraining(config)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0, 0.05 if "embeddings.weight" in name else 0.25, generator=draw)
            if name.endswith("LayerNorm.weight"):
                parameter.add_(1)
    return model


def make_batch(config: BertConfig, length: int, row_lengths: tuple[int, ...], seed: int) -> dict:
    """Draw rows with their labels: a third of the tokens, the first one always."""
    draw = np.random.default_rng(seed)
    shape = (len(row_lengths), length)
    seen = np.arange(length) < np.array(row_lengths)[:, None]
    predicted = seen & (draw.random(shape) < 0.33)
    predicted[:, 0] = True
    batch = {
        "input_ids": np.where(seen, draw.integers(1, config.vocab_size, shape), 0),
        "token_type_ids": draw.integers(0, config.type_vocab_size, shape),
        "attention_mask": seen,
        "labels": np.where(predicted, draw.integers(0, config.vocab_size, shape), NO_LABEL),
        "next_sentence_label": draw.integers(0, 2, len(row_lengths)),
    }
    return {name: value.astype(np.int32) for name, value in batch.items()}


def outputs(model: BertForPreTraining, inputs: dict) -> dict[str, np.ndarray]:
    """Run the model forward: every hidden state, the pooled vector, both scores, the loss."""
    features = {name: value for name, value in inputs.items() if "label" not in name}
    with torch.no_grad():
        result = model(**inputs, output_hidden_states=True)
        found = {
            "hidden_states": torch.stack(result.hidden_states),
            "pooled": model.bert(**features).pooler_output,
            "masked_language_model": result.prediction_logits,
            "next_sentence": result.seq_relationship_logits,
            "loss": result.loss,
        }
    return {name: value.numpy() for name, value in found.items()}


def save_gradients(model: BertForPreTraining, inputs: dict, directory: Path) -> None:
    """Save d loss / d parameter as if it were a model, so that it is read as one."""
    model.zero_grad()
    model(**inputs).loss.backward()
    gradients = BertForPreTraining(model.config)
    with torch.no_grad():
        for place, parameter in zip(gradients.parameters(), model.parameters(), strict=True):
            place.copy_(torch.zeros_like(place) if parameter.grad is None else parameter.grad)
    gradients.save_pretrained(directory)


def train(model: BertForPreTraining, inputs: dict) -> None:
    """Take ten steps on one batch, at the rates of BERT's recipe."""
    decayed = {True: [], False: []}
    for name, parameter in model.named_parameters():
        decayed["bias" not in name and "LayerNorm" not in name].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed[True], "weight_decay": WEIGHT_DECAY},
            {"params": decayed[False], "weight_decay": 0.0},
        ],
        lr=PEAK_RATE,
        betas=(0.9, 0.999),
        eps=EPSILON,
    )
    for step in range(STEPS):
        share = step / WARMUP_STEPS if step < WARMUP_STEPS else 1 - step / STEPS
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * share
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
