"""Installation; tools are set up in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="bert_jax",
    version="0.1.0",
    description="Pretrain and fine-tune BERT in JAX, from raw text, on CPU, GPU and TPU",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["bert_jax", "bert_jax.*"]),
    package_data={"bert_jax.probes": ["*.tsv"]},
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.1,<3",
        "array_record>=0.8,<0.9",  # the files that TFDS reads without TensorFlow
        "flax>=0.12,<0.13",
        "fsspec>=2024.6,<2027",
        "google-crc32c>=1.6,<2",  # the checksums of TensorFlow's checkpoints
        "importlib_resources>=6,<8",  # TFDS needs it and does not say so
        "jax>=0.10.2,<0.13",
        "jaxtyping>=0.3,<0.4",
        "matplotlib>=3.9,<4",
        "ml_collections>=1.0,<2",
        "ml_dtypes>=0.5,<1",  # bfloat16 for NumPy
        "numpy>=2,<3",
        "optax>=0.2.8,<0.3",
        "orbax-checkpoint>=0.12,<0.13",
        "protobuf>=5,<8",  # sentencepiece's description of its models needs it
        "safetensors>=0.5,<1",
        "scipy>=1.13,<2",
        "sentencepiece>=0.2,<0.3",
        "sentencex>=1.0,<2",
        "seqeval>=1.2.2,<2",
        "tensorboardX>=2.6,<3",
        "tensorflow-datasets>=4.9.10,<4.10",
        "tokenizers>=0.22,<0.24",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        # Compilers for devices that are not there, as jax itself wants them: 0.7 and 0.6 GB.
        # Those of jax 0.12 have not been tried.
        "plan-tpu": ["jax[tpu]>=0.10.2,<0.12"],
        "plan-gpu": [
            "jax[cuda12-local]>=0.10.2,<0.12",
            "nvidia-cuda-nvcc-cu12>=12.6.85,<13",
            "nvidia-cudnn-cu12>=9.8,<10",  # asked for its version where attention is fused
        ],
        "beam": ["apache-beam>=2.77,<2.80"],
        "gs": ["gcsfs>=2024.6,<2027"],
        "s3": ["s3fs>=2024.6,<2027"],
        "search": ["optuna>=5,<6"],
        "slurm": ["submitit>=1.5,<2"],
        "test": [
            "beartype>=0.20,<1",
            "optuna>=5,<6",
            "pyright>=1.1.400,<2",
            "pytest>=9,<10",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.15,<0.18",
            "scikit-learn>=1.5,<2",  # scores are checked against its own
            "submitit>=1.5,<2",
        ],
    },
)
