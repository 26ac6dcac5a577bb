import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*flags):
    command = [sys.executable, "-m", "bert_jax.convert", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_convert_prints_what_became_of_each_parameter(publish, tmp_path):
    model = publish("hf_pretraining", tmp_path)
    done = run(f"--input={model}", f"--output={tmp_path / 'out'}", "--to=bert_jax")
    assert done.returncode == 0, done.stderr
    assert "bert/encoder/layer_*/attention/query/kernel" in done.stdout
    assert (tmp_path / "out" / "model.json").exists()


def test_mistakes_are_one_line_and_a_code(tmp_path):
    for flags, code, message in (
        ([f"--input={tmp_path}", "--to=bert_jax"], 2, "--output is missing"),
        ([f"--input={tmp_path}", f"--output={tmp_path / 'out'}", "--to=onnx"], 2, "huggingface or"),
        ([f"--input={tmp_path}", f"--output={tmp_path / 'out'}", "--to=bert_jax"], 4, "no model"),
    ):
        done = run(*flags)
        assert done.returncode == code
        (line,) = done.stderr.strip().split("\n")
        assert message in line
