"""What to change where a step does not fit, the field and what it would do."""

from bert_jax.planning.memory import Memory
from bert_jax.runs.pretraining_step import PretrainingStep
from bert_jax.training.phases import Phase


def advise(step: PretrainingStep, phase: Phase, memory: Memory) -> list[str]:
    """Name the changes that save memory here, each with its effect; the largest first.

    All effects are estimates of ours: gradients and state are sums, the rest is taken to be
    activations, which grow with the rows.
    """
    mesh = step.sharding.mesh.shape
    held = memory.parameters + memory.optimizer + memory.gradients
    rest = memory.activations
    if rest is None:
        rest = max(0.0, (memory.peak or 1.5 * memory.usable) - held)
    layers = step.model.num_hidden_layers
    rows = phase.batch_size / phase.gradient_accumulation / step.sharding.batch_devices
    inputs = 4 * rows * phase.row_length * step.model.hidden_size * layers
    found: list[tuple[float, str]] = []

    def suggest(saved: float, text: str) -> None:
        if saved > 0:
            found.append((saved, f"{text}: saves about {saved / 1e9:.2f} GB a device"))

    data = mesh["data"]
    if data > 1:
        change = f"--config.mesh.data=1 --config.mesh.fsdp={data * mesh['fsdp']}"
        suggest(held * (1 - 1 / data), f"{change} cuts parameters, moments and gradients")
    if step.execution.rematerialize != "layer":
        saved = (rest - inputs) * (1 - 1 / layers)
        suggest(
            saved,
            "--config.rematerialize=layer keeps the inputs of layers alone, for a third more work",
        )
    if rows >= 2:
        parts = 2 * phase.gradient_accumulation
        suggest(
            rest / 2,
            f"{_field(phase, 'gradient_accumulation')}={parts} computes a batch in {parts} parts",
        )
        suggest(
            rest / 2,
            f"{_field(phase, 'batch_size')}={phase.batch_size // 2} halves the rows of a device",
        )
    if step.execution.scan_layers:
        saved = memory.parameters * (1 - _share_of_embeddings(step))
        suggest(saved, "--config.scan_layers=False keeps no stacked copy of the layers' weights")
    if step.execution.compute_dtype == "float32":
        suggest(rest / 4, "--config.compute_dtype=bfloat16 keeps factors of products in two bytes")
    return [text for _, text in sorted(found, key=lambda pair: -pair[0])]


def _field(phase: Phase, name: str) -> str:
    return f"--config.{'train' if phase.index == 0 else f'phases.{phase.name}'}.{name}"


def _share_of_embeddings(step: PretrainingStep) -> float:
    config = step.model
    width = config.hidden_size
    table = (config.vocab_size + config.max_position_embeddings) * width
    layer = 4 * width**2 + 2 * width * config.intermediate_size
    return table / (table + config.num_hidden_layers * layer)
