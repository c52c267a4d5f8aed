"""Speed of the schedule-driven sampler on a full-size LLaDA-8B.

    python benchmarks/sampling.py --checkpoint FOLDER --out FOLDER

Random bfloat16 weights in the published layout, as in throughput.py; prompts of 128 tokens, 256
sampled in blocks of 32. Two yardsticks, in the same run:

- the bare forward passes that a schedule needs: hidden states of the whole batch and the product
  of the head with the rows of the step, without a softmax; kernels launched one after the other,
  and, as the sampler does it, recorded in a CUDA graph;
- a loop that does what the reference sampler of DUS does: one sequence, logits of all positions,
  a softmax in float64 over them all, and memory collected and given back after each step.

"--small" does it all with a tiny network on the CPU.
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, write_result
from throughput import FULL, SMALL, wait, write_checkpoint

from schedopt.models import NetworkDenoiser, load_model
from schedopt.models.recorded import Recorder
from schedopt.samplers import sample
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

BLOCK = 32
PROMPT = 128
LENGTH = 256
BATCHES = (1, 32)
# DUS, and eight steps that grow as the best ones for a random order do.
SCHEDULES = {
    "dus": dus_schedule(BLOCK),
    "eight steps": UnmaskingSchedule(BLOCK, Order("random"), (1, 1, 2, 3, 4, 5, 7, 9)),
}


def prompts_of(model: NetworkDenoiser, lengths: list[int]) -> list[list[int]]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randint(0, model.vocab_size // 2, (n,), generator=rng).tolist() for n in lengths]


def bare_passes(
    model: NetworkDenoiser,
    schedule: UnmaskingSchedule,
    batch: int,
    seconds: float,
    *,
    recorded: bool,
) -> float:
    """Passes a second of whole batches, each step's in turn, for so long at least."""
    hidden = Recorder(model.network).hidden if recorded else model.network.hidden
    weight, _ = model.network.output
    width = PROMPT + LENGTH
    tokens = torch.full((batch, width), model.mask_id, device=model.device)
    tokens[:, :PROMPT] = torch.tensor(prompts_of(model, [PROMPT] * batch), device=model.device)
    rows = [
        (torch.arange(batch)[:, None] * width + PROMPT + torch.arange(size)).flatten()
        for size in schedule.step_sizes
    ]
    asked = [index.to(model.device) for index in rows]
    done = 0
    with torch.inference_mode():
        for timed in (False, True):
            wait(model.device)
            begin = time.perf_counter()
            while True:
                for index in asked:
                    states = hidden(tokens, None).flatten(0, 1).index_select(0, index)
                    _ = model.network.rows(states) @ weight.T
                wait(model.device)
                done += len(asked) if timed else 0
                if not timed or time.perf_counter() - begin > seconds:
                    break
    return done / (time.perf_counter() - begin)


def sampled(
    model: NetworkDenoiser, schedule: UnmaskingSchedule, lengths: list[int], temperature: float
) -> dict[str, Any]:
    """Passes and tokens a second of the sampler, after a warm-up of the last two blocks."""

    def work(given: int) -> int:
        prompts = prompts_of(model, [n + given for n in lengths])
        samples = sample(
            model,
            schedule,
            prompt=prompts,
            length=LENGTH - given,
            temperature=temperature,
            batch_size=len(lengths),
        )
        return max(samples.nfe)

    work(LENGTH - 2 * BLOCK)
    wait(model.device)
    before = model.usage().seconds
    begin = time.perf_counter()
    nfe = work(0)
    seconds = time.perf_counter() - begin
    return {
        "batch": len(lengths),
        "temperature": temperature,
        "nfe": nfe,
        "seconds": seconds,
        "device_seconds": model.usage().seconds - before,
        "passes_per_second": nfe / seconds,
        "tokens_per_second": len(lengths) * LENGTH / seconds,
    }


def against_bare(
    model: NetworkDenoiser, name: str, lengths: list[int], seconds: float
) -> dict[str, Any]:
    schedule = SCHEDULES[name]

    def bare(*, recorded: bool) -> float:
        return bare_passes(model, schedule, len(lengths), seconds, recorded=recorded)

    launched = bare(recorded=False)
    result = sampled(model, schedule, lengths, 1.0)
    recorded = bare(recorded=True)
    speed = result["passes_per_second"]
    result |= {
        "schedule": name,
        "step_sizes": schedule.step_sizes,
        "prompts": [min(lengths), max(lengths)],
        "bare_passes_per_second": launched,
        "recorded_passes_per_second": recorded,
        "over_bare": speed / launched,
        "over_recorded": speed / recorded,
    }
    print(
        f"{name:12} batch {len(lengths):3}  prompts {min(lengths)}-{max(lengths)}  "
        f"{speed:.3f} passes/s  bare {launched:.3f}, recorded {recorded:.3f}  "
        f"ratios {result['over_bare']:.3f} and {result['over_recorded']:.3f}",
        flush=True,
    )
    return result


@torch.no_grad()
def reference_loop(model: NetworkDenoiser, prompt: list[int], length: int) -> torch.Tensor:
    """Greedy DUS with confidences, as its reference sampler goes about it; the tokens."""
    x = torch.full((1, PROMPT + length), model.mask_id, device=model.device)
    x[0, :PROMPT] = torch.tensor(prompt, device=model.device)
    confidence = torch.zeros(x.shape, dtype=torch.float64, device=model.device)
    for first in range(PROMPT, PROMPT + length, BLOCK):
        for group in SCHEDULES["dus"].groups():
            logits = model.network(x)  # (1, L, V)
            probabilities = torch.softmax(logits.to(torch.float64), dim=-1)
            best = logits.argmax(dim=-1)
            sure = probabilities.gather(-1, best[..., None]).squeeze(-1)
            for position in group:
                x[0, first + position] = best[0, first + position]
                confidence[0, first + position] = sure[0, first + position]
            del logits, probabilities
            gc.collect()
            if x.is_cuda:
                torch.cuda.empty_cache()
    return x


def against_reference(model: NetworkDenoiser) -> dict[str, Any]:
    (prompt,) = prompts_of(model, [PROMPT])
    reference_loop(model, prompt, BLOCK)
    wait(model.device)
    begin = time.perf_counter()
    reference_loop(model, prompt, LENGTH)
    wait(model.device)
    reference = LENGTH / (time.perf_counter() - begin)
    ours = [sampled(model, SCHEDULES["dus"], [PROMPT] * batch, 0.0) for batch in BATCHES]
    result = {
        "reference_tokens_per_second": reference,
        "ours": ours,
        "ratios": [one["tokens_per_second"] / reference for one in ours],
    }
    for one, ratio in zip(ours, result["ratios"], strict=True):
        print(
            f"reference loop {reference:.2f} tokens/s, ours at batch {one['batch']} "
            f"{one['tokens_per_second']:.2f}, {ratio:.2f} times as many",
            flush=True,
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny network on the CPU")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder, written if absent")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each bare measurement")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    started = time.monotonic()
    device = torch.device("cpu" if options.small else "cuda")
    if not (options.checkpoint / "model.safetensors.index.json").exists():
        write_checkpoint(options.checkpoint, SMALL if options.small else FULL, device)
    model = load_model(options.checkpoint, device=str(device), dtype="bfloat16")
    print(f"written and loaded in {time.monotonic() - started:.1f} s", flush=True)
    results = [
        against_bare(model, name, [PROMPT] * batch, options.seconds)
        for batch in BATCHES
        for name in SCHEDULES
    ]
    # Prompts of different lengths in one batch: none is longer than above.
    mixed = [PROMPT - 2 * row for row in range(BATCHES[-1])]
    results.append(against_bare(model, "dus", mixed, options.seconds))
    document = {
        "device": model.usage().device,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "block_length": BLOCK,
        "prompt": PROMPT,
        "length": LENGTH,
        "against_bare": results,
        "against_reference": against_reference(model),
        "peak_memory": model.usage().peak_memory,
    }
    write_result("sampling", document, packages=["torch"], started=started, folder=options.out)


if __name__ == "__main__":
    main()
