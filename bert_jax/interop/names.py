"""Names of parameters: ours beside those of Hugging Face and of TF1, one row a module."""

import re
from typing import NamedTuple


class Place(NamedTuple):
    """Where a tensor goes, and whether its two dimensions change places on the way."""

    path: str
    transposed: bool


# What a module of each kind holds: our name, theirs, and whether theirs is stored the other way.
_Leaves = dict[str, tuple[tuple[str, str, bool], ...]]
_HUGGINGFACE_LEAVES: _Leaves = {
    "table": (("embedding", "weight", False),),
    "dense": (("kernel", "weight", True), ("bias", "bias", False)),
    "norm": (("scale", "weight", False), ("bias", "bias", False)),
    "array": (("", "", False),),
}
_TENSORFLOW_LEAVES: _Leaves = {
    "table": (("embedding", "", False),),
    "dense": (("kernel", "kernel", False), ("bias", "bias", False)),
    "norm": (("scale", "gamma", False), ("bias", "beta", False)),
    "scores": (("kernel", "output_weights", True), ("bias", "output_bias", False)),
    "array": (("", "", False),),
}

# Hugging Face writes "bert." before the rows that begin with bert/ here, unless the model is an
# encoder and nothing else. N is the number of a layer.
_BERT = """
table  bert/embeddings/token                       embeddings.word_embeddings
table  bert/embeddings/position                    embeddings.position_embeddings
table  bert/embeddings/token_type                  embeddings.token_type_embeddings
norm   bert/embeddings/layer_norm                  embeddings.LayerNorm
dense  bert/encoder/layer_N/attention/query        encoder.layer.N.attention.self.query
dense  bert/encoder/layer_N/attention/key          encoder.layer.N.attention.self.key
dense  bert/encoder/layer_N/attention/value        encoder.layer.N.attention.self.value
dense  bert/encoder/layer_N/attention/output       encoder.layer.N.attention.output.dense
norm   bert/encoder/layer_N/attention_layer_norm   encoder.layer.N.attention.output.LayerNorm
dense  bert/encoder/layer_N/feed_forward/intermediate  encoder.layer.N.intermediate.dense
dense  bert/encoder/layer_N/feed_forward/output    encoder.layer.N.output.dense
norm   bert/encoder/layer_N/feed_forward_layer_norm  encoder.layer.N.output.LayerNorm
dense  bert/pooler/dense                           pooler.dense
dense  masked_language_model/transform             cls.predictions.transform.dense
norm   masked_language_model/layer_norm            cls.predictions.transform.LayerNorm
array  masked_language_model/decoder               cls.predictions.decoder.weight
array  masked_language_model/bias                  cls.predictions.bias
dense  next_sentence/dense                         cls.seq_relationship
dense  classifier                                  classifier
dense  span                                        qa_outputs
"""

# RoBERTa-PreLayerNorm is our encoder with normalization "pre"; only its fill-mask head is ours.
_PRELAYERNORM = """
table  bert/embeddings/token                       embeddings.word_embeddings
table  bert/embeddings/position                    embeddings.position_embeddings
table  bert/embeddings/token_type                  embeddings.token_type_embeddings
norm   bert/embeddings/layer_norm                  embeddings.LayerNorm
norm   bert/encoder/layer_N/attention_layer_norm   encoder.layer.N.attention.LayerNorm
dense  bert/encoder/layer_N/attention/query        encoder.layer.N.attention.self.query
dense  bert/encoder/layer_N/attention/key          encoder.layer.N.attention.self.key
dense  bert/encoder/layer_N/attention/value        encoder.layer.N.attention.self.value
dense  bert/encoder/layer_N/attention/output       encoder.layer.N.attention.output.dense
norm   bert/encoder/layer_N/feed_forward_layer_norm  encoder.layer.N.intermediate.LayerNorm
dense  bert/encoder/layer_N/feed_forward/intermediate  encoder.layer.N.intermediate.dense
dense  bert/encoder/layer_N/feed_forward/output    encoder.layer.N.output.dense
norm   bert/encoder/layer_norm                     LayerNorm
dense  bert/pooler/dense                           pooler.dense
dense  masked_language_model/transform             lm_head.dense
norm   masked_language_model/layer_norm            lm_head.layer_norm
array  masked_language_model/decoder               lm_head.decoder.weight
array  masked_language_model/bias                  lm_head.bias
"""

# The last two rows are the heads of run_classifier.py and run_squad.py.
_TENSORFLOW = """
table  bert/embeddings/token                       bert/embeddings/word_embeddings
table  bert/embeddings/position                    bert/embeddings/position_embeddings
table  bert/embeddings/token_type                  bert/embeddings/token_type_embeddings
norm   bert/embeddings/layer_norm                  bert/embeddings/LayerNorm
dense  bert/encoder/layer_N/attention/query        bert/encoder/layer_N/attention/self/query
dense  bert/encoder/layer_N/attention/key          bert/encoder/layer_N/attention/self/key
dense  bert/encoder/layer_N/attention/value        bert/encoder/layer_N/attention/self/value
dense  bert/encoder/layer_N/attention/output       bert/encoder/layer_N/attention/output/dense
norm   bert/encoder/layer_N/attention_layer_norm   bert/encoder/layer_N/attention/output/LayerNorm
dense  bert/encoder/layer_N/feed_forward/intermediate  bert/encoder/layer_N/intermediate/dense
dense  bert/encoder/layer_N/feed_forward/output    bert/encoder/layer_N/output/dense
norm   bert/encoder/layer_N/feed_forward_layer_norm  bert/encoder/layer_N/output/LayerNorm
dense  bert/pooler/dense                           bert/pooler/dense
dense  masked_language_model/transform             cls/predictions/transform/dense
norm   masked_language_model/layer_norm            cls/predictions/transform/LayerNorm
array  masked_language_model/bias                  cls/predictions/output_bias
scores next_sentence/dense                         cls/seq_relationship
scores classifier                                  .
scores span                                        cls/squad
"""

_LAYER = re.compile(r"(?<=encoder[./]layer[._])(0|[1-9][0-9]*)(?=[./])")


class Names:
    """One table, read from left to right and from right to left."""

    def __init__(self, rows: str, leaves: _Leaves, separator: str) -> None:
        self._ours: dict[str, Place] = {}
        self._theirs: dict[str, Place] = {}
        for row in rows.split("\n")[1:-1]:
            kind, path, name = row.split()
            for our_leaf, their_leaf, transposed in leaves[kind]:
                ours = "/".join(filter(None, (path, our_leaf)))
                # A dot stands for no name: the leaves are at the top.
                theirs = separator.join(filter(None, (name.removeprefix("."), their_leaf)))
                self._ours[theirs] = Place(ours, transposed)
                self._theirs[ours] = Place(theirs, transposed)

    def ours(self, name: str) -> Place | None:
        """Return our path for their name, None where it has none."""
        return _look_up(self._ours, name)

    def theirs(self, path: str) -> Place | None:
        """Return their name for our path, None where it has none."""
        return _look_up(self._theirs, path)


def _look_up(table: dict[str, Place], name: str) -> Place | None:
    layer = _LAYER.search(name)
    if layer is None:
        return None if "N" in re.split("[._/]", name) else table.get(name)
    place = table.get(f"{name[: layer.start()]}N{name[layer.end() :]}")
    return place and Place(re.sub(r"(?<=layer[._])N\b", layer[0], place.path), place.transposed)


BERT = Names(_BERT, _HUGGINGFACE_LEAVES, ".")
PRELAYERNORM = Names(_PRELAYERNORM, _HUGGINGFACE_LEAVES, ".")
TENSORFLOW = Names(_TENSORFLOW, _TENSORFLOW_LEAVES, "/")
