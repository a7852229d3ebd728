"""Architectures that the zoo does not have, exported by PyTorch on this machine, run by Cameo on the CPU and the GPU beside ONNX Runtime.

usage: gpu_architectures.py CAMEO [WORD...]     those whose name contains a WORD

Prints a JSON line each: {"name", "cpu", "cuda": largest max|a-b| / max|b| of an output, "on_host": steps that the GPU left, "error"}.
Weights are random, transformers small."""
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import timm
import torch
import transformers as tf

IMAGES = [
    ("convnext_atto", 224), ("swin_tiny_patch4_window7_224", 224), ("efficientnet_b0", 224), ("mobilevit_xxs", 256), ("ghostnet_100", 224),
    ("mixer_s32_224", 224), ("edgenext_xx_small", 256), ("regnety_002", 224), ("hrnet_w18_small", 224), ("poolformer_s12", 224),
    ("xcit_nano_12_p16_224", 224), ("levit_128s", 224),
]
SMALL = {"vocab_size": 600, "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6, "intermediate_size": 192}


class Called(torch.nn.Module):
    """A module behind a function that says what of it is wanted."""

    def __init__(self, module, function):
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs):
        return self.function(self.module, *inputs)


class Mixed(torch.nn.Module):
    """Group normalization, up and down sampling, attention by hand, an LSTM in both directions."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.first, self.norm = nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(8, 32)
        self.down, self.up, self.out = nn.Conv2d(32, 64, 3, 2, 1), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.Conv2d(64, 3, 1)
        self.recurrent = nn.LSTM(64, 40, 2, bidirectional=True, batch_first=True)

    def forward(self, x):
        functional = torch.nn.functional
        wide = functional.silu(self.norm(self.first(x)))
        low = functional.gelu(self.down(wide))
        rows = low.flatten(2).transpose(1, 2)
        mixed = torch.softmax(rows @ rows.transpose(1, 2) / 8, -1) @ rows
        states, _ = self.recurrent(mixed[:, :20])
        up = self.up(mixed.transpose(1, 2).reshape(low.shape))
        resized = functional.interpolate(low[:, :32], scale_factor=2, mode="bilinear")
        return self.out(torch.cat([up + resized, wide], 1)), states


def tokens():
    return torch.randint(5, 500, (2, 19)), torch.ones(2, 19, dtype=torch.long)


def decoder(kind, config):
    module = kind._from_config(config, attn_implementation="eager").eval()
    return Called(module, lambda m, i, a: m(input_ids=i, attention_mask=a, use_cache=False).logits), tokens()


def encoder(module):
    return Called(module.eval(), lambda m, i, a: m(input_ids=i, attention_mask=a).last_hidden_state), tokens()


def of_floats(module, shape, function):
    return Called(module.eval(), function), (torch.randn(*shape),)


def hidden(module, x):
    return module(x).last_hidden_state


def image(name, size):
    return lambda: (timm.create_model(name, pretrained=False).eval(), (torch.randn(2, 3, size, size),))


JOBS = {name: image(name, size) for name, size in IMAGES} | {
    "gpt2": lambda: decoder(tf.GPT2LMHeadModel, tf.GPT2Config(vocab_size=600, n_embd=96, n_layer=2, n_head=6)),
    "qwen2": lambda: decoder(tf.Qwen2ForCausalLM, tf.Qwen2Config(**SMALL, num_key_value_heads=2)),
    "gemma2": lambda: decoder(
        tf.Gemma2ForCausalLM, tf.Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=16, sliding_window=8)),
    "phi3": lambda: decoder(tf.Phi3ForCausalLM, tf.Phi3Config(**SMALL, num_key_value_heads=2, pad_token_id=0)),
    "t5 encoder": lambda: encoder(
        tf.T5EncoderModel(tf.T5Config(vocab_size=600, d_model=96, d_kv=16, d_ff=192, num_layers=2, num_heads=6))),
    "deberta": lambda: encoder(tf.DebertaV2Model(tf.DebertaV2Config(
        **SMALL, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=16, max_relative_positions=32))),
    "whisper encoder": lambda: of_floats(
        tf.WhisperModel(tf.WhisperConfig(
            vocab_size=600, d_model=96, encoder_layers=2, decoder_layers=2, encoder_attention_heads=6, decoder_attention_heads=6,
            encoder_ffn_dim=192, decoder_ffn_dim=192, max_source_positions=50, pad_token_id=0)).encoder, (1, 80, 100), hidden),
    "segformer": lambda: of_floats(
        tf.SegformerForSemanticSegmentation(tf.SegformerConfig(depths=[1, 1, 1, 1])), (1, 3, 128, 128), lambda m, x: m(x).logits),
    "clip vision": lambda: of_floats(
        tf.CLIPVisionModel(tf.CLIPVisionConfig(
            hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=6, image_size=64, patch_size=16)),
        (2, 3, 64, 64), lambda m, x: m(x).pooler_output),
    "wav2vec2": lambda: of_floats(
        tf.Wav2Vec2Model(tf.Wav2Vec2Config(
            hidden_size=96, num_hidden_layers=2, num_attention_heads=6, intermediate_size=192, conv_dim=(64, 64, 64),
            conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3), num_feat_extract_layers=3)), (1, 4000), hidden),
    "mixed": lambda: (Mixed().eval(), (torch.randn(2, 3, 40, 40),)),
}


def export(make, folder):
    """Paths of the model and of its inputs."""
    module, inputs = make()
    model, given = str(folder / "model.onnx"), str(folder / "inputs.npz")
    names = [f"in{index}" for index in range(len(inputs))]
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(module, inputs, model, opset_version=17, dynamo=False, input_names=names)
    np.savez(given, **{name: value.numpy() for name, value in zip(names, inputs)})
    return model, given


def check(binary, make, folder):
    import onnxruntime

    model, given = export(make, folder)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    expected = session.run(None, {i.name: np.load(given)[i.name] for i in session.get_inputs()})
    row = {}
    for provider in ("cpu", "cuda"):
        written = str(folder / f"{provider}.npz")
        command = [binary, "run", model, "--inputs", given, "--provider", provider, "--output", written]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-300:])
        found = np.load(written)
        row[provider] = max(
            float(np.abs(found[o.name] - e).max() / max(1e-9, np.abs(e).max())) for o, e in zip(session.get_outputs(), expected))
    bench = [binary, "bench", model, "--inputs", given, "--provider", "cuda", "--warmup", "0", "--iterations", "1", "--json"]
    row["on_host"] = len(json.loads(subprocess.run(bench, capture_output=True, text=True).stdout)["on_host"])
    return row


def main():
    warnings.filterwarnings("ignore")
    binary, words = sys.argv[1], sys.argv[2:]
    for name, make in JOBS.items():
        if words and not any(word in name for word in words):
            continue
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = check(binary, make, Path(folder))
            except Exception as error:
                row = {"error": str(error)[-300:]}
        print(json.dumps({"name": name, **row}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
