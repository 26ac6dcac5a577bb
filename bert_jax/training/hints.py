"""What a run tells its user unasked."""

import math
from collections.abc import Mapping

# A model has left the plateau if its loss is so many nats below that of a model without context,
PLATEAU_WIDTH = 0.1
# or if, where [MASK] is shown, it is right so many times as often as the most frequent token.
PLATEAU_ACCURACY = 1.25


def context_free_loss(unigram_entropy: float, mask_share: float, random_share: float) -> float:
    """Give the MLM loss (nats) of a model that knows how frequent tokens are, and can copy.

    A [MASK] costs it the unigram entropy. Where another token is shown, it is the right one or a
    drawn one, in known shares: that question costs their binary entropy, and the drawn ones cost
    the unigram entropy again. With BERT's 80/10/10 the loss is 0.9 x entropy + 0.14, so a loss
    under the unigram entropy does not yet mean that anything was learnt from context.
    """
    shown = 1 - mask_share
    kept = (shown - random_share) / shown if shown > 0 else 0.0
    question = -sum(p * math.log(p) for p in (kept, 1 - kept) if p > 0)
    return (mask_share + random_share) * unigram_entropy + shown * question


class PlateauHint:
    """Say now and then that a model still does not use context, and what usually helps.

    Early in pretraining the loss falls to that of a model without context and stays there until
    attention is learnt; how long depends on the recipe, and some never leave.
    """

    def __init__(
        self, context_free: float, most_frequent: float, after_step: int, pre_normalized: bool
    ) -> None:
        """Set what is compared.

        Args:
            context_free: the `context_free_loss` of the held-out text, in nats.
            most_frequent: the share of its most frequent token.
            after_step: from which step on the plateau is worth a word.
            pre_normalized: whether LayerNorm stands before each block already.
        """
        self._context_free = context_free
        self._most_frequent = most_frequent
        self._after_step = after_step
        self._pre_normalized = pre_normalized

    def __call__(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """Return what to tell, given held-out metrics."""
        loss = metrics["mlm_loss"]
        accuracy = metrics["mlm_hidden_accuracy"]
        if step < self._after_step or loss < self._context_free - PLATEAU_WIDTH:
            return []
        if accuracy > PLATEAU_ACCURACY * self._most_frequent:
            return []
        self._after_step = 2 * step  # say it again only if it lasts
        advice = [
            "try another learning rate (a third, and three times)",
            "a longer warm-up",
            "a larger batch",
        ]
        if not self._pre_normalized:
            advice.insert(0, "try --config.model.normalization=pre (small models leave it sooner)")
        return [
            f"the held-out MLM loss ({loss:.2f}) still stands where a model without context would "
            f"({self._context_free:.2f}), and where [MASK] is shown it is right {accuracy:.1%} of "
            f"the time, the most frequent token {self._most_frequent:.1%}: it knows how frequent "
            "words are, can copy the ones it is shown, and little more. What usually helps: "
            f"{', '.join(advice)}, more steps; "
            "and a look at statistics.json: much [UNK], or many repeated lines, leave little "
            "to learn."
        ]
