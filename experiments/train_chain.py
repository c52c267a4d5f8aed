"""Train small masked diffusion models on a law that is known: a chain of order 2.

    python experiments/train_chain.py --out build/models --seeds 0,1 --minutes 8
    python experiments/train_chain.py --out build/models --seeds 0,1,2 --minutes 1.5 --size large

64 positions of 8 symbols; the law of the next one given the last two is drawn once from a Dirichlet
law so sparse that two or three symbols share most of it. Every batch is drawn anew, so that there
is nothing to learn by heart; k positions are masked, k uniform on 1..64. ``small`` (0.45M) is for
one core of a CPU, ``large`` (6.3M) for an H200. One model a seed, ``OUT/chain-SEED``;
``--smoke`` makes a few steps.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from train_bundled import published_config
from train_tasks import response_masks
from training import Optimisers, build, save_model, weighted_nll

from schedopt.clusters import Measured, mean_over_documents
from schedopt.models.families.llada import published
from schedopt.models.transformer import Transformer, TransformerConfig
from theory.distributions import Law, MarkovChain

LENGTH, SYMBOLS = 64, 8
CONCENTRATION, NOISE = 0.1, 0.02  # of the rows; the share of each that is uniform
POOL = 2**14  # sequences that are drawn at a time
TESTS = 2048


def chain_law() -> MarkovChain:
    """The chain of order 2 that the models learn; every symbol may follow any two others."""
    rows = np.random.default_rng(0).dirichlet([CONCENTRATION] * SYMBOLS, size=(SYMBOLS, SYMBOLS))
    return MarkovChain(LENGTH, (1.0 - NOISE) * rows + NOISE / SYMBOLS)


@dataclass(frozen=True)
class Recipe:
    """The shape of a model, and how it is trained."""

    d_model: int
    n_layers: int
    n_heads: int
    mlp_hidden_size: int
    batch: int
    muon_lr: float = 0.02
    adam_lr: float = 3e-3

    def config(self) -> TransformerConfig:
        return TransformerConfig(
            vocab_size=SYMBOLS + 1,
            hidden_size=self.d_model,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_heads,
            head_dim=self.d_model // self.n_heads,
            intermediate_size=self.mlp_hidden_size,
            max_position_embeddings=LENGTH,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            rope_full_precision=True,
        )


RECIPES = {"small": Recipe(96, 4, 4, 256, batch=32), "large": Recipe(256, 8, 8, 688, batch=1024)}


def fresh_batches(law: Law, batch: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """Draws of the law, each seen once, shape (batch, n); the next pool is drawn meanwhile."""
    rng = np.random.default_rng([seed, law.n])
    with ThreadPoolExecutor(1) as drawer:
        coming = drawer.submit(law.draw, POOL, rng)
        while True:
            pool = torch.from_numpy(coming.result()).to(device)
            coming = drawer.submit(law.draw, POOL, rng)
            yield from pool.split(batch)


@torch.inference_mode()
def excess_over_truth(network: Transformer, law: Law, seed: int) -> Measured:
    """Mean NLL of masked symbols, k of n masked, less that of the true conditionals, nats."""
    device = next(network.parameters()).device
    tokens = torch.from_numpy(law.draw(TESTS, np.random.default_rng([seed, 1])))
    masked, weights = response_masks(TESTS, law.n, torch.Generator().manual_seed(seed))
    seen = tokens.masked_fill(masked, law.q)
    found = torch.cat([network(part.to(device)).float().cpu() for part in seen.split(256)])
    found[..., law.q] = -torch.inf
    truth = torch.from_numpy(law.conditional_marginals(seen.numpy())).log()
    better, worse = (x.gather(2, tokens[..., None])[..., 0] for x in (truth, found.log_softmax(-1)))
    excess = ((better - worse).masked_fill(~masked, 0.0) * weights).sum(dim=1)
    return mean_over_documents(excess.double().numpy(), np.arange(TESTS))


def train_one(recipe: Recipe, folder: Path, seed: int, seconds: float, smoke: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    law = chain_law()
    generator = torch.Generator(device=device).manual_seed(seed)
    network = build(recipe.config(), generator)
    optimisers = Optimisers(network, muon_lr=recipe.muon_lr, adam_lr=recipe.adam_lr)
    batch = 64 if smoke else recipe.batch
    losses: list[float] = []
    running = torch.zeros((), device=device)
    started = time.monotonic()
    for step, tokens in enumerate(fresh_batches(law, batch, seed, device), start=1):
        masked, weights = response_masks(batch, law.n, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = network(tokens.masked_fill(masked, law.q))
        loss = weighted_nll(logits, tokens, weights)
        over = time.monotonic() - started
        optimisers.step(loss, min(1.0, over / seconds))
        running += loss.detach()
        if step == 1:
            started = time.monotonic()  # what was before is compilation
        if step % 100 == 0:
            losses.append(float(running) / 100)
            running.zero_()
            if step % 500 == 0:
                print(f"chain-{seed} step {step} {over:.0f} s {losses[-1]:.4f} nats", flush=True)
        if over >= seconds or (smoke and step == 3):
            break
    excess = excess_over_truth(network, law, seed)
    record: dict[str, object] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps": step,
        "sequences": step * batch,
        "seconds": round(time.monotonic() - started, 1),
        "excess_nats_over_truth": round(excess.value, 5),
        "excess_stderr": round(excess.stderr, 5),
        "tests": TESTS,
        "train_nats_every_100_steps": [round(x, 4) for x in losses],
        "recipe": asdict(recipe),
        "seed": seed,
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    print(json.dumps({k: v for k, v in record.items() if "every" not in k}), flush=True)
    special = {"mask_token_id": law.q, "eos_token_id": None, "pad_token_id": None}
    save_model(folder, network, published, published_config(network.config) | special, record)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--size", choices=RECIPES, default="small")
    parser.add_argument("--seeds", default="0,1", help="one model each, with commas")
    parser.add_argument("--minutes", type=float, default=8.0, help="of each model")
    parser.add_argument("--smoke", action="store_true", help="three steps, to try the script")
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    for seed in map(int, args.seeds.split(",")):
        folder = args.out / f"chain-{seed}"
        train_one(RECIPES[args.size], folder, seed, 60.0 * args.minutes, args.smoke)


if __name__ == "__main__":
    main()
