"""Where Google's BERT and Hugging Face's compute differently, as values of config fields.

`--config=configs/pretrain.py:base,gpu,huggingface` chooses one; every field it sets can still be
overridden. What the two share (which parameters decay, clipping at 1, dropout) and the recipe
(rates, steps, strength of decay) are in `configs/pretrain.py`.
"""

from dataclasses import dataclass
from typing import Any

from absl import flags
from ml_collections import config_flags


@dataclass(frozen=True)
class Profile:
    """One side's choices.

    Attributes:
        hidden_act: form of the GELU.
        initializer: distribution that weights are drawn from.
        optimizer: whether Adam's moments are corrected for starting at zero.
        epsilon: added to the root of the second moment.
        schedule: where the linear decay of the learning rate begins.
    """

    hidden_act: str
    initializer: str
    optimizer: str
    epsilon: float
    schedule: str


PROFILES = {
    # google-research/bert: modeling.py and optimization.py as they stand since 2019-02-07. Until
    # then the code had the exact GELU, and the checkpoints published before were made with it.
    "google": Profile(
        hidden_act="gelu_new",
        initializer="truncated_normal",
        optimizer="bert_adamw",
        epsilon=1e-6,
        schedule="linear",
    ),
    # transformers 5: BertConfig, PreTrainedModel._init_weights and TrainingArguments.
    "huggingface": Profile(
        hidden_act="gelu",
        initializer="normal",
        optimizer="adamw",
        epsilon=1e-8,
        schedule="linear_after_warmup",
    ),
}


class _BehindTheColon(flags.ArgumentParser):
    """Refuse a flag that would change the name and leave the fields as they are."""

    def parse(self, argument: Any) -> Any:
        if isinstance(argument, ProfileName):
            return argument
        raise ValueError(
            "a profile is chosen behind the colon, as in "
            f"--config=configs/pretrain.py:huggingface; known are {', '.join(PROFILES)}"
        )


@config_flags.register_flag_parser(parser=_BehindTheColon())
class ProfileName(str):
    """The name of a profile, kept in a config to say where its fields come from."""
