"""What a run tells its user unasked."""

from collections.abc import Mapping

# Nats above the unigram entropy within which a model has learnt frequencies and nothing else.
PLATEAU_WIDTH = 0.15


class PlateauHint:
    """Say once that a model still guesses by frequency alone, and what usually helps.

    Early in pretraining the loss falls to the entropy of the token distribution and stays there
    until the model begins to use context; how long depends on the recipe, and some never leave.
    """

    def __init__(self, unigram_entropy: float, after_step: int, pre_normalized: bool) -> None:
        """Set what is compared.

        Args:
            unigram_entropy: of the held-out tokens, in nats.
            after_step: from which step on the plateau is worth a word.
            pre_normalized: whether LayerNorm stands before each block already.
        """
        self._entropy = unigram_entropy
        self._after_step = after_step
        self._pre_normalized = pre_normalized

    def __call__(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """Return what to tell, given held-out metrics."""
        loss = metrics["mlm_loss"]
        if step < self._after_step or loss < self._entropy - PLATEAU_WIDTH:
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
            f"the held-out MLM loss ({loss:.2f}) still stands at the unigram entropy of the text "
            f"({self._entropy:.2f}): the model knows how frequent words are and nothing more. "
            f"What usually helps: {', '.join(advice)}, more steps; and a look at "
            "statistics.json: much [UNK], or many repeated lines, leave little to learn."
        ]
