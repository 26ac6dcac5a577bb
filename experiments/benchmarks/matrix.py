"""Measure at what rate a device multiplies bfloat16 matrices: the bar for a step's products.

    python -m experiments.benchmarks.matrix

A large square product, then those of a BERT base over 32,768 tokens, of random numbers with sums in
float32. Prints the median of TFLOP/s.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

SHAPES = {  # [m, k] times [k, n]
    "square": (8192, 8192, 8192),
    "attention's": (32_768, 768, 768),
    "feed-forward's first": (32_768, 768, 3072),
    "feed-forward's second": (32_768, 3072, 768),
    "gradient of its kernel": (768, 32_768, 3072),
    "vocabulary's": (5_120, 768, 30_522),
}
AT_ONCE, REPEATS = 20, 7


def rate(m: int, k: int, n: int) -> float:
    """Give operations a second, over products that follow each other without a pause."""
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (m, k), jnp.bfloat16)
    y = jax.random.normal(keys[1], (k, n), jnp.bfloat16)
    multiply = jax.jit(jnp.matmul)
    multiply(x, y).block_until_ready()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(AT_ONCE):
            product = multiply(x, y)
        product.block_until_ready()
        seconds.append((time.perf_counter() - start) / AT_ONCE)
    return 2.0 * m * k * n / float(np.median(seconds))


if __name__ == "__main__":
    print(jax.devices()[0].device_kind, "jax", jax.__version__, flush=True)
    for name, shape in SHAPES.items():
        print(f"{name:24} {shape}: {rate(*shape) / 1e12:6.1f} TFLOP/s", flush=True)
