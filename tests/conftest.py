"""What tests share: eight simulated devices, checked shapes, a small corpus, a small run."""

import atexit
import contextlib
import json
import os
import random
import shutil
import tempfile
from pathlib import Path

import jaxtyping
import pytest

# Compiling is most of what tests wait for: not optimised, and by XLA's older code for fusions, it
# takes a quarter of the time.
QUICKLY = (
    "--xla_backend_optimization_level=0 "
    "--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters"
)

# All of this has to be settled before jax is imported.
if "--xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    flags = (os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=8", QUICKLY)
    os.environ["XLA_FLAGS"] = " ".join(flags).strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # the same small models are compiled often
    cache = tempfile.mkdtemp(prefix="bert_jax_tests_")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"

# Shapes and dtypes written in annotations are checked in every call.
jaxtyping.install_import_hook(["bert_jax.model", "bert_jax.objectives"], "beartype.beartype")


def pytest_collection_modifyitems(items):
    """Begin with the files that start whole processes: the last one would keep one core waiting."""
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)


# A run that takes seconds; dropout is on so that its keys matter. Not every step that is logged
# is one that is saved.
SMALL = {
    "prepare.tokenizer.vocab_size": 64,
    "prepare.validation_share": 0.2,
    "prepare.workers": 1,
    "model.vocab_size": 64,
    "model.hidden_size": 32,
    "model.num_hidden_layers": 2,
    "model.num_attention_heads": 4,
    "model.intermediate_size": 64,
    "model.max_position_embeddings": 32,
    "model.hidden_dropout_prob": 0.1,
    "model.attention_probs_dropout_prob": 0.1,
    "optimizer.warmup_steps": 5,
    "optimizer.learning_rate": 1.5e-3,
    "train.steps": 30,
    "train.batch_size": 8,
    "train.max_seq_length": 32,
    "train.max_predictions": 5,
    "train.log_every": 4,
    "train.eval_every": 10,
    "train.eval_sequences": 16,
    "train.samples": 2,
    "train.checkpoint_every": 5,
}


def make_text(documents: int, seed: int = 0) -> str:
    """Documents of 1 to 12 sentences, a blank line between them; each word suggests the next."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 4))) for _ in range(40)]
    texts = []
    for _ in range(documents):
        sentences = []
        for _ in range(draw.randint(1, 12)):
            place, chosen = draw.randrange(40), []
            for _ in range(draw.randint(3, 12)):
                chosen.append(words[place])
                place = (place + draw.choice((1, 1, 1, 7))) % 40
            sentences.append(" ".join(chosen).capitalize() + ".")
        texts.append("\n".join(sentences))
    return "\n\n".join(texts) + "\n"


@pytest.fixture(scope="session")
def quick_environment() -> dict:
    """The environment of a process with one device that compiles as quickly as tests do."""
    return os.environ | {"XLA_FLAGS": QUICKLY}


@pytest.fixture(scope="session")
def small_overrides() -> dict:
    """Overrides of configs/quickstart.py, by dotted name, that make a run of seconds."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def text_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(make_text(120))
    return path


@pytest.fixture(scope="session")
def prepare_text():
    """A function (text file, folder) that prepares a small corpus."""
    from bert_jax import cli
    from bert_jax.data.preparation import PrepareConfig, prepare
    from configs import prepare as defaults

    def make(text: Path, directory: Path) -> Path:
        config = defaults.get_config()
        config.format = "sentences"
        config.tokenizer.vocab_size = SMALL["prepare.tokenizer.vocab_size"]
        config.validation_share = SMALL["prepare.validation_share"]
        fields = config.to_dict() | {"input": str(text)}
        del fields["output"], fields["workers"]
        prepare(cli.build(PrepareConfig, fields, "config"), directory, workers=1)
        return directory

    return make


@pytest.fixture(scope="session")
def corpus_directory(text_file, prepare_text, tmp_path_factory) -> Path:
    """A prepared folder: about 100 documents to train on, 20 held out, 64 word pieces at most."""
    return prepare_text(text_file, tmp_path_factory.mktemp("corpus") / "prepared")


@pytest.fixture(scope="session")
def run_values(corpus_directory):
    """A function (changes by dotted name) that gives a small run's config as plain values."""
    from configs import quickstart

    def make(changes: dict | None = None) -> dict:
        config = quickstart.get_config()
        config.update_from_flattened_dict(
            SMALL | {"data.path": str(corpus_directory)} | (changes or {})
        )
        return config.to_dict()

    return make


@pytest.fixture(scope="session")
def with_devices():
    """A context in which runs take so many of the simulated devices, not all of them."""
    import jax

    from bert_jax.runs import run_config
    from bert_jax.training.sharding import make_mesh

    @contextlib.contextmanager
    def limit(number: int):
        with pytest.MonkeyPatch.context() as patch:
            devices = jax.devices()[:number]
            patch.setattr(run_config, "make_mesh", lambda mesh, _: make_mesh(mesh, devices))
            yield

    return limit


@pytest.fixture(scope="session")
def assembled(run_values, with_devices):
    """A function (changes, devices of the mesh) that gives a small `Pretraining`."""
    from bert_jax import cli
    from bert_jax.data.shards import open_corpus
    from bert_jax.runs import pretraining
    from bert_jax.runs.pretraining_config import PretrainConfig

    def make(changes: dict | None = None, devices: int = 1):
        config = cli.build(PretrainConfig, run_values(changes), "config")
        with with_devices(devices):
            return pretraining.assemble(config, open_corpus(config.data.path))

    return make


@pytest.fixture(scope="session")
def publish():
    """A function (golden, folder) that makes a whole Hugging Face folder: with a vocabulary."""
    from bert_jax.data.wordpiece import SPECIAL_TOKENS

    def make(name: str, directory: Path) -> Path:
        golden = Path(__file__).parent / "interop" / "goldens" / name
        folder = Path(shutil.copytree(golden, directory / "published"))
        size = json.loads((folder / "config.json").read_text())["vocab_size"]
        words = [*SPECIAL_TOKENS, *(f"word{i}" for i in range(size - len(SPECIAL_TOKENS)))]
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
        return folder

    return make
