"""PyTorch on the zoo's architectures, on one GPU: eager, and compiled with a mode of torch.compile; float16, inputs on the device.

usage: gpu_peers.py MODE NAME:BATCH[xLENGTH][@PAST]...     MODE: eager, default, reduce-overhead, max-autotune

PAST: tokens whose keys and values are given; LENGTH is 1 then.

Prints a JSON line a model: {"model", "mode", "p50_ms", "min_ms", "first_s"}. Weights are random: times do not depend on them."""
import json
import statistics
import sys
import time

import torch


def vision(name):
    import timm

    made = {"resnet50": "resnet50", "vit_b16": "vit_base_patch16_224", "mobilenet_v3": "mobilenetv3_large_100"}[name]
    return timm.create_model(made, pretrained=False)


def bert():
    from transformers import BertConfig, BertModel

    return BertModel._from_config(BertConfig(), attn_implementation="sdpa")


def smollm2():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, rope_theta=100000.0, tie_word_embeddings=True)
    return LlamaForCausalLM._from_config(config, attn_implementation="sdpa")


def decoder(batch, past):
    """One token behind `past` others, whose keys and values are inputs, as in the zoo's file."""
    from transformers import DynamicCache

    model = smollm2().half().cuda().eval()
    config = model.config
    shape = (config.num_hidden_layers, 2, batch, config.num_key_value_heads, past, 64)
    kept = torch.randn(shape, device="cuda", dtype=torch.half)

    def step(token, place, kept):
        cache = DynamicCache()
        for layer in range(config.num_hidden_layers):
            cache.update(kept[layer, 0], kept[layer, 1], layer)
        return model(input_ids=token, position_ids=place, past_key_values=cache, use_cache=True).logits

    token = torch.randint(0, 49000, (batch, 1), device="cuda")
    return step, (token, torch.full((batch, 1), past, device="cuda"), kept)


def make(name, batch, length, past):
    """The module and its inputs."""
    torch.manual_seed(0)
    if past:
        return decoder(batch, past)
    if name == "bert_base":
        model = bert().half().cuda().eval()
        ids = torch.randint(0, 30000, (batch, length), device="cuda")
        mask = torch.ones_like(ids)
        return (lambda i, m: model(input_ids=i, attention_mask=m).last_hidden_state), (ids, mask)
    if name == "smollm2":
        model = smollm2().half().cuda().eval()
        ids = torch.randint(0, 49000, (batch, length), device="cuda")
        return (lambda i: model(input_ids=i, use_cache=False).logits), (ids,)
    model = vision(name).half().cuda().eval()
    image = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.half)
    if name != "vit_b16":
        model = model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    return model, (image,)


def measure(function, inputs):
    times = []
    for _ in range(5):
        function(*inputs)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    while len(times) < 20 or (time.perf_counter() - begin < 1 and len(times) < 500):
        start = time.perf_counter()
        function(*inputs)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), min(times)


def main():
    mode, jobs = sys.argv[1], sys.argv[2:]
    torch.backends.cudnn.benchmark = True
    for job in jobs:
        name, _, size = job.partition(":")
        size, _, past = size.partition("@")
        batch, _, length = size.partition("x")
        function, inputs = make(name, int(batch), int(length or 0), int(past or 0))
        with torch.inference_mode():
            start = time.perf_counter()
            if mode != "eager":
                function = torch.compile(function, mode=None if mode == "default" else mode)
            function(*inputs)
            torch.cuda.synchronize()
            first = time.perf_counter() - start
            p50, least = measure(function, inputs)
        print(json.dumps({"model": job, "mode": mode, "p50_ms": p50, "min_ms": least, "first_s": first}), flush=True)
        torch.compiler.reset()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
