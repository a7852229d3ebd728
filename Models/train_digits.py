#!/usr/bin/env python3
"""Trains the two embedded models on scikit-learn's digits, exports them and records what ONNX Runtime predicts.

usage: Models/train_digits.py [--epochs N]

797 images train, 1000 are held out (a fixed shuffle); nothing is chosen by looking at the held-out ones: the last
weights, averaged over the last steps, are exported. Same seeds give the same accuracy, not the same bits, on another
machine. Needs jax==0.9.0 beside Tools/support/requirements.txt; makes its own environment in the cache for that."""
import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("CAMEO_CACHE") or HERE.parent / ".cache").resolve()
VENV = CACHE / "train-venv"
if Path(sys.prefix).resolve() != VENV:
    if not (VENV / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        wanted = HERE.parent / "Tools" / "support" / "requirements.txt"
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "-r", wanted, "jax==0.9.0"], check=True)
        (VENV / "ready").touch()
    os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import export_digits

HELD_OUT = 1000
DIM, HEADS, LAYERS, HIDDEN, PATCHES = 64, 4, 3, 128, 16


# ---------------------------------------------------------------- convolutional net


def conv(x, w, stride=1, padding=0, groups=1):
    return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, feature_group_count=groups,
                                        dimension_numbers=("NCHW", "OIHW", "NCHW"))


def he(key, *shape):
    return jax.random.normal(key, shape) * np.sqrt(2 / np.prod(shape[1:]))


CNN_CONVS = {"stem": (16, 1, 3), "block.0": (16, 16, 3), "block.1": (16, 16, 3), "expand": (48, 16, 1),
             "depthwise": (48, 1, 3), "project": (32, 48, 1), "head": (64, 32, 1)}


def cnn_init(key):
    keys = iter(jax.random.split(key, 16))
    p, stats = {}, {}
    for name, (out, inp, k) in CNN_CONVS.items():
        p[name + ".conv.weight"] = he(next(keys), out, inp, k, k)
        p[name + ".bn.weight"], p[name + ".bn.bias"] = jnp.ones(out), jnp.zeros(out)
        stats[name + ".bn.running_mean"], stats[name + ".bn.running_var"] = jnp.zeros(out), jnp.ones(out)
    p["se.reduce.weight"], p["se.reduce.bias"] = he(next(keys), 12, 48, 1, 1), jnp.zeros(12)
    p["se.expand.weight"], p["se.expand.bias"] = he(next(keys), 48, 12, 1, 1), jnp.zeros(48)
    p["classifier.weight"], p["classifier.bias"] = he(next(keys), 10, 64) * 0.5, jnp.zeros(10)
    return p, stats


def cnn(p, stats, x, train, key):
    new = dict(stats)
    hard_sigmoid = lambda v: jnp.clip(v / 6 + 0.5, 0, 1)

    def unit(name, x, padding=0, groups=1):
        x = conv(x, p[name + ".conv.weight"], padding=padding, groups=groups)
        mean, var = stats[name + ".bn.running_mean"], stats[name + ".bn.running_var"]
        if train:
            batch_mean, batch_var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            new[name + ".bn.running_mean"] = 0.9 * mean + 0.1 * batch_mean
            new[name + ".bn.running_var"] = 0.9 * var + 0.1 * batch_var
            mean, var = batch_mean, batch_var
        c = lambda v: v[None, :, None, None]
        return (x - c(mean)) / jnp.sqrt(c(var) + 1e-5) * c(p[name + ".bn.weight"]) + c(p[name + ".bn.bias"])

    x = jax.nn.relu(unit("stem", x, 1))
    x = jax.nn.relu(unit("block.1", jax.nn.relu(unit("block.0", x, 1)), 1) + x)
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    for name, padding, groups in (("expand", 0, 1), ("depthwise", 1, 48)):
        x = unit(name, x, padding, groups)
        x = x * hard_sigmoid(x)
    s = x.mean((2, 3), keepdims=True)
    s = jax.nn.relu(conv(s, p["se.reduce.weight"]) + p["se.reduce.bias"][None, :, None, None])
    x = x * hard_sigmoid(conv(s, p["se.expand.weight"]) + p["se.expand.bias"][None, :, None, None])
    x = unit("project", x)
    x = unit("head", x)
    x = (x * hard_sigmoid(x)).mean((2, 3))
    if train:
        x = x * jax.random.bernoulli(key, 0.8, x.shape) / 0.8
    return x @ p["classifier.weight"].T + p["classifier.bias"], new


# ---------------------------------------------------------------- transformer


def transformer_init(key):
    keys = iter(jax.random.split(key, 64))
    linear = lambda out, inp: jax.random.normal(next(keys), (out, inp)) * np.sqrt(1 / inp)
    p = {"patch.weight": he(next(keys), DIM, 1, 2, 2), "patch.bias": jnp.zeros(DIM),
         "cls": 0.02 * jax.random.normal(next(keys), (1, 1, DIM)),
         "position": 0.02 * jax.random.normal(next(keys), (1, PATCHES + 1, DIM))}
    norms = ["norm"]
    for i in range(LAYERS):
        b = f"layers.{i}."
        for name in ("query", "key", "value", "out"):
            p[b + name + ".weight"], p[b + name + ".bias"] = linear(DIM, DIM), jnp.zeros(DIM)
        p[b + "fc1.weight"], p[b + "fc1.bias"] = linear(HIDDEN, DIM), jnp.zeros(HIDDEN)
        p[b + "fc2.weight"], p[b + "fc2.bias"] = linear(DIM, HIDDEN) * 0.5, jnp.zeros(DIM)
        norms += [b + "norm1", b + "norm2"]
    for n in norms:
        p[n + ".weight"], p[n + ".bias"] = jnp.ones(DIM), jnp.zeros(DIM)
    p["classifier.weight"], p["classifier.bias"] = linear(10, DIM), jnp.zeros(10)
    return p, {}


def transformer(p, stats, x, train, key):
    keys = iter(jax.random.split(key, 4 * LAYERS + 1))
    linear = lambda name, x: x @ p[name + ".weight"].T + p[name + ".bias"]
    drop = lambda x: x * jax.random.bernoulli(next(keys), 0.9, x.shape) / 0.9 if train else x

    def norm(name, x):
        d = x - x.mean(-1, keepdims=True)
        return d / jnp.sqrt((d * d).mean(-1, keepdims=True) + 1e-5) * p[name + ".weight"] + p[name + ".bias"]

    b = x.shape[0]
    x = conv(x, p["patch.weight"], 2) + p["patch.bias"][None, :, None, None]
    x = x.reshape(b, DIM, PATCHES).transpose(0, 2, 1)
    x = jnp.concatenate([jnp.broadcast_to(p["cls"], (b, 1, DIM)), x], 1) + p["position"]
    for i in range(LAYERS):
        h = norm(f"layers.{i}.norm1", x)
        q, k, v = (linear(f"layers.{i}.{n}", h).reshape(b, -1, HEADS, DIM // HEADS).transpose(0, 2, 1, 3)
                   for n in ("query", "key", "value"))
        a = jax.nn.softmax(q @ k.swapaxes(-1, -2) / np.sqrt(DIM // HEADS), -1)
        x = x + drop(linear(f"layers.{i}.out", (a @ v).transpose(0, 2, 1, 3).reshape(b, -1, DIM)))
        h = jax.nn.gelu(linear(f"layers.{i}.fc1", norm(f"layers.{i}.norm2", x)), approximate=False)
        x = x + drop(linear(f"layers.{i}.fc2", h))
    return linear("classifier", norm("norm", x)[:, 0]), stats


# ---------------------------------------------------------------- training


def augment(key, x):
    """Small shifts, turns and stretches, each image its own; a little noise."""
    def one(key, image):
        a, b, c, d = jax.random.split(key, 4)
        turn = jax.random.uniform(a, (), minval=-0.22, maxval=0.22)
        stretch = jax.random.uniform(b, (2,), minval=0.88, maxval=1.12)
        shift = jax.random.uniform(c, (2,), minval=-1.0, maxval=1.0)
        y, x = jnp.meshgrid(jnp.arange(8.0) - 3.5, jnp.arange(8.0) - 3.5, indexing="ij")
        sy = (jnp.cos(turn) * y - jnp.sin(turn) * x) * stretch[0] + shift[0] + 3.5
        sx = (jnp.sin(turn) * y + jnp.cos(turn) * x) * stretch[1] + shift[1] + 3.5
        moved = jax.scipy.ndimage.map_coordinates(image[0], [sy, sx], order=1, mode="constant")
        return jnp.clip(moved + 0.03 * jax.random.normal(d, (8, 8)), 0, 1)[None]
    return jax.vmap(one)(jax.random.split(key, x.shape[0]), x)


def train(name, init, apply, images, labels, epochs, rate, decay):
    batch = 64
    steps = epochs * (len(images) // batch)
    p, stats = init(jax.random.PRNGKey(7))
    zeros = jax.tree.map(jnp.zeros_like, p)

    @jax.jit
    def step(state, i):
        p, stats, m, v, average, key = state
        key, a, b, c = jax.random.split(key, 4)
        pick = jax.random.choice(a, len(images), (batch,), replace=False)
        x, y = augment(b, images[pick]), labels[pick]

        def loss(p):
            logits, new = apply(p, stats, x, True, c)
            target = jax.nn.one_hot(y, 10) * 0.9 + 0.01
            return -(target * jax.nn.log_softmax(logits)).sum(-1).mean(), new

        (value, stats), g = jax.value_and_grad(loss, has_aux=True)(p)
        t = i + 1.0
        lr = rate * jnp.minimum(1, t / 100) * 0.5 * (1 + jnp.cos(np.pi * t / steps))
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, v, g)
        p = jax.tree.map(lambda p, m, v: p - lr * (m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.99**t)) + 1e-8)
                                                   + decay * p * (p.ndim > 1)), p, m, v)
        average = jax.tree.map(lambda a, p: 0.98 * a + 0.02 * p, average, p)
        return (p, stats, m, v, average, key), value

    state, start = (p, stats, zeros, zeros, p, jax.random.PRNGKey(8)), time.monotonic()
    for i in range(steps):
        state, value = step(state, float(i))
        if (i + 1) % (steps // 5) == 0:
            print(f"{name}: step {i + 1} of {steps}, loss {float(value):.3f}, {time.monotonic() - start:.0f} s", flush=True)
    weights = {**state[4], **state[1]}
    return {k: np.asarray(v, np.float32) for k, v in weights.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=800)
    epochs = parser.parse_args().epochs

    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(2026).permutation(len(images))
    held, kept = order[:HELD_OUT], order[HELD_OUT:]
    recorded = {"label": data.target[held].astype(np.int64)}
    export_digits.save_npz(HERE / "digits_heldout.npz", {"image": images[held]})
    # What quantization is calibrated on: of the images that the models were trained on.
    export_digits.save_npz(HERE / "digits_calibration.npz", {"image": images[kept[:64]]})
    for name, init, apply, rate, decay in (("cnn", cnn_init, cnn, 4e-3, 0.02),
                                           ("transformer", transformer_init, transformer, 1.5e-3, 0.05)):
        weights = train(name, init, apply, jnp.asarray(images[kept]), jnp.asarray(data.target[kept]), epochs, rate, decay)
        logits = np.asarray(apply(weights, weights, images[held], False, jax.random.PRNGKey(0))[0])
        path = HERE / f"digits_{name}.onnx"
        getattr(export_digits, name)(weights, path)
        out = export_digits.run(path, images[held])
        recorded[f"{name}_logits"] = out
        accuracy = (out.argmax(1) == recorded["label"]).mean()
        print(f"{name}: {accuracy:.2%} of {HELD_OUT} held out, {path.stat().st_size} bytes, "
              f"the file differs from jax by {np.abs(out - logits).max() / np.abs(logits).max():.1e}")
    export_digits.save_npz(HERE / "digits_expected.npz", recorded)


if __name__ == "__main__":
    main()
