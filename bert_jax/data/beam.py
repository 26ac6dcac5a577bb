"""Pieces of work on a runner of Apache Beam. Nothing else knows of Beam."""

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any

from bert_jax.data.many_hosts import Run
from bert_jax.data.workspace import Work, carry_out
from bert_jax.errors import ConfigError


def beam_run(options: Sequence[str]) -> Run:
    """Return what carries out work as a pipeline, one after the other for each kind of work.

    Args:
        options: Beam's own, as on its command line: `--runner=FlinkRunner`.

    Raises:
        ConfigError: Beam is not installed, or an option has a value that it does not take.
    """
    try:
        beam: Any = importlib.import_module("apache_beam")
        settings: Any = importlib.import_module("apache_beam.options.pipeline_options")
    except ImportError as error:
        raise ConfigError(
            f"--runner=beam: {error}; Apache Beam is an extra: pip install 'bert_jax[beam]'"
        ) from None
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            settings.PipelineOptions(list(options)).get_all_options()
    except SystemExit:  # it is argparse that reads them
        reason = said.getvalue().strip().rpartition("error: ")[2] or "not options"
        raise ConfigError(f"after --, where options of Beam stand: {reason}") from None

    def run(kind: str, works: Sequence[Work]) -> None:
        with beam.Pipeline(options=settings.PipelineOptions(list(options))) as pipeline:
            # Reshuffled, since what is created is one bundle, which one worker would keep.
            work = pipeline | f"{kind}: list" >> beam.Create(list(works)) | beam.Reshuffle()
            work |= f"{kind}: do" >> beam.Map(carry_out)

    return run
