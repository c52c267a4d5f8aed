"""Throughput of ``estimate`` on a full-size LLaDA-8B, against the bare forward pass.

    python benchmarks/throughput.py --checkpoint FOLDER --out FOLDER

Random bfloat16 weights in the published layout are written to a folder (16 GB, kept for the next
run) and loaded as a user's are. The bare forward pass is the network's hidden states and the bare
product of the head with the rows asked for, at the batch that was found, without a softmax.
Then memory is limited, to see the batch shrink. "--small" does it all with a tiny network on the
CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, write_result
from safetensors.torch import save_file
from torch import Tensor

from schedopt.data import Windows
from schedopt.errors import DeviceMemoryError
from schedopt.estimators import estimate
from schedopt.estimators.probe import UNIT_TOKENS
from schedopt.models import NetworkDenoiser, load_model
from schedopt.schedule import Order

SHARDS = 6
# Every field of the published config.json that is not about size.
OPTIONS: dict[str, Any] = {
    "activation_type": "silu",
    "alibi": False,
    "alibi_bias_max": 8.0,
    "architectures": ["LLaDAModelLM"],
    "attention_dropout": 0.0,
    "attention_layer_norm": False,
    "attention_layer_norm_with_affine": True,
    "bias_for_layer_norm": False,
    "block_group_size": 1,
    "block_type": "llama",
    "embedding_dropout": 0.0,
    "flash_attention": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "init_device": "meta",
    "init_fn": "mitchell",
    "init_std": 0.02,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "layer_norm_with_affine": True,
    "mlp_ratio": 4,
    "model_type": "llada",
    "multi_query_attention": None,
    "precision": "amp_bf16",
    "residual_dropout": 0.0,
    "rms_norm_eps": 1e-5,
    "rope": True,
    "rope_full_precision": True,
    "rope_theta": 500000.0,
    "scale_logits": False,
    "transformers_version": "4.46.3",
    "use_cache": False,
    "weight_tying": False,
}
FULL: dict[str, Any] = {
    "d_model": 4096,
    "n_layers": 32,
    "n_heads": 32,
    "n_kv_heads": 32,
    "mlp_hidden_size": 12288,
    "vocab_size": 126464,
    "embedding_size": 126464,
    "max_sequence_length": 4096,
    "mask_token_id": 126336,
    "eos_token_id": 126081,
    "pad_token_id": 126081,
}
SMALL = FULL | {
    "d_model": 64,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 4,
    "mlp_hidden_size": 128,
    "vocab_size": 1000,
    "embedding_size": 1000,
    "mask_token_id": 999,
    "eos_token_id": 998,
    "pad_token_id": 998,
}


def shapes_of(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of each published tensor."""
    d, mlp, V = config["d_model"], config["mlp_hidden_size"], config["embedding_size"]
    shapes: dict[str, tuple[int, ...]] = {"wte": (V, d), "ln_f": (d,), "ff_out": (V, d)}
    block = dict.fromkeys(("q_proj", "k_proj", "v_proj", "attn_out"), (d, d))
    block |= {"ff_proj": (mlp, d), "up_proj": (mlp, d), "ff_out": (d, mlp)}
    for layer in range(config["n_layers"]):
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in block.items()}
        shapes |= {f"blocks.{layer}.{name}": (d,) for name in ("attn_norm", "ff_norm")}
    return {f"model.transformer.{name}.weight": shape for name, shape in shapes.items()}


def write_checkpoint(folder: Path, config: dict[str, Any], device: torch.device) -> None:
    """Random weights, shard by shard, and the index last."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    shapes = shapes_of(config)
    names = list(shapes)
    weight_map, total = {}, 0
    for shard in range(SHARDS):
        file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        tensors = {}
        for name in names[shard * len(names) // SHARDS : (shard + 1) * len(names) // SHARDS]:
            value = torch.empty(shapes[name], dtype=torch.bfloat16, device=device)
            value = value.fill_(1.0) if value.ndim == 1 else value.normal_(std=0.02)
            tensors[name] = value.cpu()
            total += value.numel() * value.element_size()
            weight_map[name] = file
        save_file(tensors, folder / file, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(OPTIONS | config))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fresh(model: NetworkDenoiser) -> NetworkDenoiser:
    """The same network, with no batch found and nothing counted yet."""
    return NetworkDenoiser(
        model.network,
        mask_id=model.mask_id,
        eos_id=model.eos_id,
        tokenizer=None,
        provenance=model.provenance,
    )


def bare_passes_per_second(
    model: NetworkDenoiser, tokens: Tensor, batch: int, passes: int
) -> float:
    """Hidden states and the head's product with a random half of the rows, nothing else."""
    weight, _ = model.network.output
    masked = torch.rand(tokens.shape) < torch.rand((len(tokens), 1))
    sent = torch.where(masked, model.mask_id, tokens).to(model.device).split(batch)
    asked = [part.flatten().nonzero()[:, 0].to(model.device) for part in masked.split(batch)]
    done = 0
    wait(model.device)
    begin = time.perf_counter()
    with torch.inference_mode():
        while done < passes:
            for part, index in zip(sent, asked, strict=True):
                states = model.network.hidden(part).flatten(0, 1).index_select(0, index)
                _ = model.network.rows(states) @ weight.T
                done += len(part)
    wait(model.device)
    return done / (time.perf_counter() - begin)


def measure(loaded: NetworkDenoiser, length: int, passes: int) -> dict[str, Any]:
    """Passes a second of ``estimate``, between two measurements of the bare forward pass."""
    model = fresh(loaded)
    tokens = torch.randint(0, model.vocab_size // 2, (passes, length))
    windows = Windows.independent(tokens)
    unit = tokens[: max(1, UNIT_TOKENS // length)]
    model.score(unit, unit % 2 == 0, unit)  # finds the batch, warms up
    before = model.usage()
    some = tokens[: 4 * before.batch]
    bare_passes_per_second(model, some, before.batch, before.batch)
    bare = [bare_passes_per_second(model, some, before.batch, passes // 4)]
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    begin = time.perf_counter()
    made = estimate(model, windows, order=Order("random"), passes=passes)
    seconds = time.perf_counter() - begin
    after = model.usage()
    bare.append(bare_passes_per_second(model, some, before.batch, passes // 4))
    flops = (after.flops or 0.0) - (before.flops or 0.0)
    in_model = after.seconds - before.seconds
    rate, speed = made.passes / seconds, flops / in_model
    result = {
        "length": length,
        "batch": before.batch,
        "passes": made.passes,
        "bare_passes_per_second": bare,
        "passes_per_second": rate,
        "over_bare": rate / (sum(bare) / 2),
        "passes_over_bare": made.passes / in_model / (sum(bare) / 2),
        "flops_per_pass": flops / made.passes,
        "flops_per_second": speed,
        "share_of_peak": after.peak_flops and speed / after.peak_flops,
        "seconds_in_model": in_model,
        "seconds_in_all": seconds,
        "peak_memory": after.peak_memory,
    }
    print(
        f"L={length:5}  batch {before.batch:4}  estimate {rate:.2f}/s  "
        f"bare {bare[0]:.2f} and {bare[1]:.2f}/s  ratio {result['over_bare']:.3f} "
        f"(without the fit {result['passes_over_bare']:.3f})  "
        f"passes {in_model:.1f} s of {seconds:.1f} s",
        *after.lines(),
        sep="\n    ",
        flush=True,
    )
    return result


def limited(loaded: NetworkDenoiser, length: int, gibibytes: float) -> dict[str, Any]:
    """What batch is found where so much memory is left, of which the driver does not know."""
    model = fresh(loaded)
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated(model.device)
    total = torch.cuda.get_device_properties(model.device).total_memory
    torch.cuda.set_per_process_memory_fraction((held + gibibytes * 2**30) / total, model.device)
    tokens = torch.full((64, length), model.mask_id)
    result: dict[str, Any] = {"GiB": gibibytes, "length": length}
    try:
        for attempt in ("seconds", "seconds_again"):  # the second time it knows
            begin = time.perf_counter()
            model.score(tokens, torch.ones_like(tokens, dtype=torch.bool), tokens)
            result[attempt] = time.perf_counter() - begin
        result["batch"] = model.usage().batch
    except DeviceMemoryError as error:
        result |= {"error": str(error), "exit_code": error.exit_code}
    torch.cuda.set_per_process_memory_fraction(1.0, model.device)
    print("limited", result, flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny network on the CPU")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder, written if absent")
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--tokens", type=int, default=2**19, help="of each measurement")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    started = time.monotonic()
    device = torch.device("cpu" if options.small else "cuda")
    begin = time.perf_counter()
    if not (options.checkpoint / "model.safetensors.index.json").exists():
        write_checkpoint(options.checkpoint, SMALL if options.small else FULL, device)
    written = time.perf_counter() - begin
    begin = time.perf_counter()
    model = load_model(options.checkpoint, device=str(device), dtype="bfloat16")
    loaded = time.perf_counter() - begin
    print(f"written in {written:.1f} s, loaded in {loaded:.1f} s", flush=True)
    results = [measure(model, n, max(64, options.tokens // n)) for n in options.lengths]
    document: dict[str, Any] = {
        "device": model.usage().device,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "write_seconds": written,
        "load_seconds": loaded,
        "results": results,
    }
    if not options.small:
        document["limited"] = [limited(model, 1024, room) for room in (4.0, 1.0, 0.05)]
    packages = ["torch", "triton", "safetensors"]
    write_result("throughput", document, packages=packages, started=started, folder=options.out)


if __name__ == "__main__":
    main()
