"""Train one small masked diffusion model for each task.

    python experiments/train_tasks.py --out build/models/tasks --minutes 5

Prompts are given, k positions of the response are masked, k uniform on 1..R. All models train at
the same time, in a process each: on a large GPU a small model waits for its launches most of the
time. Easy tasks end first. Training prompts and the test prompts of ``schedopt.tasks``
have none in common. ``--smoke`` runs a few steps; ``--resume`` trains models that are there for
longer.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from train_bundled import published_config
from training import Optimisers, build, save_model, weighted_nll

from schedopt.models.families.llada import published
from schedopt.models.transformer import Transformer, TransformerConfig
from schedopt.tasks import Task, make_task

POOL = 2**20  # training instances; masks are drawn anew each time
TESTS = 1000


@dataclass(frozen=True)
class Recipe:
    """One model: its task, its shape, and how it is trained."""

    task: str
    n_layers: int
    share_of_time: float
    d_model: int = 128
    n_heads: int = 4
    mlp_hidden_size: int = 352
    batch: int = 1024
    muon_lr: float = 0.02
    adam_lr: float = 3e-3

    def config(self, task: Task) -> TransformerConfig:
        return TransformerConfig(
            vocab_size=len(task.vocabulary),
            hidden_size=self.d_model,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_heads,
            head_dim=self.d_model // self.n_heads,
            intermediate_size=self.mlp_hidden_size,
            max_position_embeddings=task.prompt_length + task.response_length,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            rope_full_precision=True,
        )


RECIPES = (
    Recipe("copy", 4, 0.5),
    Recipe("reverse", 4, 0.5),
    Recipe("sort", 4, 0.5),
    Recipe("insert", 4, 0.5),
    Recipe("shuffle", 4, 0.5),
    Recipe("addition", 6, 1.0),
    Recipe("latin", 4, 0.5),
    Recipe("sudoku", 6, 1.0),
    Recipe("walk", 8, 1.0),
)


def response_masks(rows: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Masked positions and their weights: k of each row, k stratified uniform on 1..length."""
    device = generator.device
    jitter = torch.rand(rows, generator=generator, device=device)
    strata = (torch.randperm(rows, generator=generator, device=device) + jitter) / rows
    counts = 1 + (strata * length).long().clamp(max=length - 1)
    noise = torch.rand(rows, length, generator=generator, device=device)
    masked = noise.argsort(dim=1).argsort(dim=1) < counts[:, None]
    return masked, masked / counts[:, None]


@torch.inference_mode()
def one_by_one(network: Transformer, task: Task, count: int) -> float:
    """Share of test instances solved greedily, the surest position a pass."""
    tests = task.instances(count, seed=0)
    device = next(network.parameters()).device
    tokens = torch.full((count, task.prompt_length + task.response_length), task.mask_id)
    tokens[:, : task.prompt_length] = torch.from_numpy(tests.prompts)
    tokens = tokens.to(device)
    response = tokens[:, task.prompt_length :]
    for _ in range(task.response_length):
        logits = network(tokens)[:, task.prompt_length :].float()
        logits[..., task.mask_id] = -torch.inf
        chance, best = logits.softmax(dim=-1).max(dim=-1)
        surest = chance.masked_fill(response != task.mask_id, -1.0).argmax(dim=1, keepdim=True)
        response.scatter_(1, surest, best.gather(1, surest))
    return float(task.correct(tests.prompts, response.cpu().numpy()).mean())


def train_one(
    recipe: Recipe, out: Path, deadline: float, seed: int, smoke: bool, resume: bool
) -> None:
    task = make_task(recipe.task)
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = torch.Generator(device=device).manual_seed(seed)
    network = build(recipe.config(task), generator)
    folder = out / recipe.task
    if resume:
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({k: weights[published(k)] for k in network.state_dict()})
    pool = task.instances(4096 if smoke else POOL, seed, held_out=False)
    both = np.concatenate([pool.prompts, pool.answers], axis=1).astype(np.uint8)
    instances = torch.from_numpy(both).to(device)
    optimisers = Optimisers(network, muon_lr=recipe.muon_lr, adam_lr=recipe.adam_lr)
    batch = 64 if smoke else recipe.batch
    losses: list[float] = []
    running = torch.zeros((), device=device)
    step, progress, started = 0, 0.0, time.time()
    while progress < 1.0:
        rows = torch.randint(len(instances), (batch,), generator=generator, device=device)
        tokens = instances[rows].long()
        response = tokens[:, task.prompt_length :]
        masked, weights = response_masks(batch, task.response_length, generator)
        seen = tokens.clone()
        seen[:, task.prompt_length :].masked_fill_(masked, task.mask_id)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network.head(network.hidden(seen)[:, task.prompt_length :])
        loss = weighted_nll(logits, response, weights)
        optimisers.step(loss, progress)
        running += loss.detach()
        step += 1
        if step == 1:
            started = time.time()  # what was before is compilation
        if step % 500 == 0:
            losses.append(float(running) / 500)
            running.zero_()
            if step % 2000 == 0:
                print(f"{task.name} step {step} train {losses[-1]:.4f} nats", flush=True)
        progress = step / 3 if smoke else (time.time() - started) / (deadline - started)
    tests = 50 if smoke else TESTS
    solved = one_by_one(network, task, tests)
    record: dict[str, object] = {
        "task": task.name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps": step,
        "instances": step * batch,
        "seconds": round(time.time() - started, 1),
        "solved_one_by_one": solved,
        "tests": tests,
        "train_nats_every_500_steps": [round(x, 4) for x in losses],
        "recipe": asdict(recipe),
        "resumed": resume,
        "seed": seed,
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    print(json.dumps({k: v for k, v in record.items() if "every" not in k}), flush=True)
    special = {"mask_token_id": task.mask_id, "eos_token_id": None, "pad_token_id": None}
    save_model(folder, network, published, published_config(network.config) | special, record)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of the tasks, with commas")
    parser.add_argument("--resume", action="store_true", help="go on from the weights in --out")
    parser.add_argument("--smoke", action="store_true", help="three small steps, to try the script")
    parser.add_argument("--workers", type=int, default=len(RECIPES))
    args = parser.parse_args()
    started = time.time()
    chosen = [r for r in RECIPES if not args.only or r.task in args.only.split(",")]
    if args.only and len(chosen) < len(args.only.split(",")):
        parser.error(f"--only: some of {args.only!r} is none of {[r.task for r in RECIPES]}")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # the processes are parallel
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as processes:
        jobs = [
            processes.submit(
                train_one,
                recipe,
                args.out,
                started + 60.0 * args.minutes * recipe.share_of_time,
                args.seed,
                args.smoke,
                args.resume,
            )
            for recipe in chosen
        ]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
