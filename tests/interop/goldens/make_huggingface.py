"""Make the folders hf_* of this directory: one small random model for each class that is read.

    python tests/interop/goldens/make_huggingface.py

Needs torch and transformers (made with 2.13 and 5.23). All numbers are random, those too that a
new model has at zero or one, so that no two of them can be exchanged unnoticed. hf_prelayernorm
also gets the model's own answers.
"""

from pathlib import Path

import numpy as np
import torch
import transformers

SIZES = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
}
MODELS = {
    "hf_encoder": ("BertModel", {"num_hidden_layers": 1}),
    "hf_pretraining": ("BertForPreTraining", {"num_hidden_layers": 2}),
    "hf_masked_untied": (
        "BertForMaskedLM",
        {"num_hidden_layers": 1, "tie_word_embeddings": False, "hidden_act": "gelu_new"},
    ),
    "hf_sequence": (
        "BertForSequenceClassification",
        {"num_hidden_layers": 1, "id2label": {0: "bad", 1: "so so", 2: "gut"}},
    ),
    "hf_token": (
        "BertForTokenClassification",
        {"num_hidden_layers": 1, "id2label": {0: "O", 1: "B-人", 2: "I-人"}},
    ),
    "hf_question": ("BertForQuestionAnswering", {"num_hidden_layers": 1, "type_vocab_size": 3}),
    "hf_prelayernorm": (
        "RobertaPreLayerNormForMaskedLM",
        {"num_hidden_layers": 2, "pad_token_id": 1, "max_position_embeddings": 12},
    ),
}
HERE = Path(__file__).parent


def make(name: str, class_name: str, changes: dict) -> torch.nn.Module:
    """Make a model of random numbers and save it."""
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**SIZES | changes)).eval()
    torch.manual_seed(len(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
        positions = model.base_model.embeddings.position_embeddings
        if positions.padding_idx is not None:  # rows up to [PAD] stand for no position
            positions.weight[: positions.padding_idx + 1] = 0
        heads = dict(model.named_modules())
        if "cls.predictions" in heads:
            head = heads["cls.predictions"]
            head.decoder.bias.copy_(head.bias)
    model.save_pretrained(HERE / name)
    return model


def answer(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """Score the vocabulary at every position of two rows, one of them padded."""
    ids = np.array([[2, 7, 19, 4, 11, 3, 0, 9, 5, 3], [2, 6, 4, 3, 15, 3, 1, 1, 1, 1]])
    types = np.array([[0] * 6 + [1] * 4, [0] * 4 + [1] * 2 + [0] * 4])
    mask = (ids != 1).astype(np.int64)
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor(ids),
            token_type_ids=torch.tensor(types),
            attention_mask=torch.tensor(mask),
        ).logits
    return {"ids": ids, "types": types, "mask": mask, "logits": logits.numpy()}


if __name__ == "__main__":
    for name, (class_name, changes) in MODELS.items():
        model = make(name, class_name, changes)
        if name == "hf_prelayernorm":
            np.savez_compressed(HERE / name / "answers.npz", **answer(model))
