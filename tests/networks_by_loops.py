"""The networks of every family, from their definitions: one row, one head, one expert at a time.

Plain float64; weights are looked up by their published names, and nothing is shared with the code
under test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Weights = Mapping[str, Floats]
Row = Callable[[Floats], Floats]


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, Floats]:
    return {name: value.double().numpy() for name, value in tensors.items()}


def sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Floats) -> Floats:
    odds = np.exp(x - x.max())
    return np.asarray(odds / odds.sum())


def rms_norm(row: Floats, scale: Floats, eps: float) -> Floats:
    return row / math.sqrt(sum(row**2) / len(row) + eps) * scale


def rotate(row: Floats, position: int, theta: float, width: int) -> Floats:
    """Turn the pairs (p, p + half) of the first dimensions by position / theta^(p / half)."""
    half, turned = width // 2, row.copy()
    for p in range(half):
        angle = position / theta ** (p / half)
        turned[p] = row[p] * math.cos(angle) - row[p + half] * math.sin(angle)
        turned[p + half] = row[p + half] * math.cos(angle) + row[p] * math.sin(angle)
    return turned


@dataclass
class Heads:
    """How a layer attends."""

    heads: int
    kv_heads: int
    theta: float
    rotary_width: int
    block: int | None = None
    q_norm: Row = field(default=lambda row: row)
    k_norm: Row = field(default=lambda row: row)

    def attend(self, q: Floats, k: Floats, v: Floats) -> Floats:
        """Rows of all heads side by side, shape (L, heads * width)."""
        length, width = len(q), q.shape[1] // self.heads
        out = np.empty_like(q)
        for head in range(self.heads):
            kv = head // (self.heads // self.kv_heads)  # neighbouring heads share keys and values
            own, shared = (slice(i * width, (i + 1) * width) for i in (head, kv))
            queries = [self._turn(self.q_norm(q[i, own]), i) for i in range(length)]
            keys = [self._turn(self.k_norm(k[i, shared]), i) for i in range(length)]
            for i in range(length):
                seen = [
                    j
                    for j in range(length)
                    if self.block is None or j // self.block <= i // self.block
                ]
                scores = np.array([queries[i] @ keys[j] / math.sqrt(width) for j in seen])
                chances = softmax(scores)
                out[i, own] = sum(c * v[j, shared] for c, j in zip(chances, seen, strict=True))
        return out

    def _turn(self, row: Floats, position: int) -> Floats:
        return rotate(row, position, self.theta, self.rotary_width)


def linear(weights: Weights, name: str) -> Row:
    """x W^T, plus the bias where there is one."""
    matrix, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    return lambda x: x @ matrix.T if bias is None else x @ matrix.T + bias


def swiglu(weights: Weights, gate: str, up: str, down: str) -> Row:
    gated, raised, lowered = (linear(weights, name) for name in (gate, up, down))

    def feed_forward(row: Floats) -> Floats:
        g = gated(row)
        return lowered(g * sigmoid(g) * raised(row))

    return feed_forward


def expert(weights: Weights, name: str) -> Row:
    return swiglu(weights, f"{name}.gate_proj", f"{name}.up_proj", f"{name}.down_proj")


def softmax_experts(config: Mapping[str, Any], weights: Weights, layer: str) -> Row:
    """LLaDA-MoE: the k most probable experts, weighted by their probabilities as they are."""

    def feed_forward(row: Floats) -> Floats:
        chances = softmax(weights[f"{layer}.mlp.gate.weight"] @ row)
        chosen = sorted(range(len(chances)), key=lambda e: -chances[e])
        out = np.zeros_like(row)
        for e in chosen[: config["num_experts_per_tok"]]:
            out += chances[e] * expert(weights, f"{layer}.mlp.experts.{e}")(row)
        if config["shared_expert_intermediate_size"]:
            out += expert(weights, f"{layer}.shared_expert")(row)
        return out

    return feed_forward


def grouped_experts(config: Mapping[str, Any], weights: Weights, layer: str) -> Row:
    """LLaDA2: sigmoid scores; a bias in the choice only; the best groups; weights summing to one
    times a factor; and a shared expert."""
    count, groups = config["num_experts"], config["n_group"]
    size = count // groups

    def feed_forward(row: Floats) -> Floats:
        scores = sigmoid(weights[f"{layer}.mlp.gate.weight"] @ row)
        biased = scores + weights[f"{layer}.mlp.gate.expert_bias"]
        strength = [sum(sorted(biased[g * size : (g + 1) * size])[-2:]) for g in range(groups)]
        best = sorted(range(groups), key=lambda g: -strength[g])[: config["topk_group"]]
        able = [e for e in range(count) if e // size in best]
        chosen = sorted(able, key=lambda e: -biased[e])[: config["num_experts_per_tok"]]
        total = sum(scores[e] for e in chosen) if len(chosen) > 1 else 1.0
        out = np.zeros_like(row)
        for e in chosen:
            share = config["routed_scaling_factor"] * scores[e] / total
            out += share * expert(weights, f"{layer}.mlp.experts.{e}")(row)
        if config["num_shared_experts"]:
            out += expert(weights, f"{layer}.mlp.shared_experts")(row)
        return out

    return feed_forward


@dataclass
class Layer:
    """One block: attention and a feed-forward network, each behind a norm and a residual."""

    attn_norm: Row
    qkv: Callable[[Floats], tuple[Floats, Floats, Floats]]
    heads: Heads
    out: Row
    ffn_norm: Row
    feed_forward: Row

    def apply(self, x: Floats) -> Floats:
        q, k, v = self.qkv(np.array([self.attn_norm(row) for row in x]))
        x = x + np.array([self.out(row) for row in self.heads.attend(q, k, v)])
        return x + np.array([self.feed_forward(self.ffn_norm(row)) for row in x])


def logits_by_loops(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], tokens: list[int]
) -> Floats:
    """Logits of one sequence, shape (L, V), row i scoring token i."""
    weights = as_arrays(tensors)
    family = {"LLaDAModelLM": llada, "MDLM": mdlm, "LLaDA2MoeModelLM": llada2}
    logits = family.get(config["architectures"][0], qwen)(config, weights, tokens)
    if config["architectures"] == ["DreamModel"]:
        logits = np.concatenate([logits[:1], logits[:-1]])
    return logits


def norm(weights: Weights, name: str, eps: float) -> Row:
    return lambda row: rms_norm(row, weights[f"{name}.weight"], eps)


def llada(config: Mapping[str, Any], weights: Weights, tokens: list[int]) -> Floats:
    root, eps, heads = "model.transformer", config["rms_norm_eps"], config["n_heads"]
    attention = Heads(
        heads,
        config.get("n_kv_heads") or heads,
        config.get("rope_theta", 10000.0),
        config["d_model"] // heads,
    )
    x = weights[f"{root}.wte.weight"][tokens]
    for i in range(config["n_layers"]):
        name = f"{root}.blocks.{i}"
        q, k, v = (linear(weights, f"{name}.{letter}_proj") for letter in "qkv")
        layer = Layer(
            norm(weights, f"{name}.attn_norm", eps),
            lambda h, q=q, k=k, v=v: (q(h), k(h), v(h)),
            attention,
            linear(weights, f"{name}.attn_out"),
            norm(weights, f"{name}.ff_norm", eps),
            swiglu(weights, f"{name}.ff_proj", f"{name}.up_proj", f"{name}.ff_out"),
        )
        x = layer.apply(x)
    head = "wte" if config["weight_tying"] else "ff_out"
    last = norm(weights, f"{root}.ln_f", eps)
    return np.array([last(row) for row in x]) @ weights[f"{root}.{head}.weight"].T


def qwen(config: Mapping[str, Any], weights: Weights, tokens: list[int]) -> Floats:
    """Dream, A2D-Qwen2, A2D-Qwen3, iLLaDA, LLaDA-MoE."""
    eps, heads = config["rms_norm_eps"], config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config
    partial = rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1))
    x = weights["model.embed_tokens.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}"
        q, k, v = (linear(weights, f"{name}.self_attn.{letter}_proj") for letter in "qkv")
        attention = Heads(
            heads,
            config.get("num_key_value_heads") or heads,
            rope["rope_theta"],
            int(width * partial),
        )
        if f"{name}.self_attn.q_norm.weight" in weights:
            attention.q_norm = norm(weights, f"{name}.self_attn.q_norm", eps)
            attention.k_norm = norm(weights, f"{name}.self_attn.k_norm", eps)
        has_experts = "num_experts" in config and (config["moe_layer_freq"] or [1] * 9)[i]
        feed_forward = softmax_experts(config, weights, name) if has_experts else None
        layer = Layer(
            norm(weights, f"{name}.input_layernorm", eps),
            lambda h, q=q, k=k, v=v: (q(h), k(h), v(h)),
            attention,
            linear(weights, f"{name}.self_attn.o_proj"),
            norm(weights, f"{name}.post_attention_layernorm", eps),
            feed_forward or expert(weights, f"{name}.mlp"),
        )
        x = layer.apply(x)
    tied = config.get("tie_word_embeddings", config["architectures"] == ["ILLaDAForCausalLM"])
    head = "model.embed_tokens" if tied else "lm_head"
    last = norm(weights, "model.norm", eps)
    return np.array([last(row) for row in x]) @ weights[f"{head}.weight"].T


def llada2(config: Mapping[str, Any], weights: Weights, tokens: list[int]) -> Floats:
    eps, heads, kv_heads = (
        config[name] for name in ("rms_norm_eps", "num_attention_heads", "num_key_value_heads")
    )
    width = config["head_dim"]
    cuts = [heads * width, (heads + kv_heads) * width]
    x = weights["model.word_embeddings.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}"
        fused = linear(weights, f"{name}.attention.query_key_value")

        def split(h: Floats, fused: Row = fused) -> tuple[Floats, Floats, Floats]:
            q, k, v = np.split(fused(h), cuts, axis=1)
            return q, k, v

        layer = Layer(
            norm(weights, f"{name}.input_layernorm", eps),
            split,
            Heads(
                heads,
                kv_heads,
                config["rope_theta"],
                int(width * config["partial_rotary_factor"]),
                32,
                norm(weights, f"{name}.attention.query_layernorm", eps),
                norm(weights, f"{name}.attention.key_layernorm", eps),
            ),
            linear(weights, f"{name}.attention.dense"),
            norm(weights, f"{name}.post_attention_layernorm", eps),
            expert(weights, f"{name}.mlp")
            if i < config["first_k_dense_replace"]
            else grouped_experts(config, weights, name),
        )
        x = layer.apply(x)
    head = "model.word_embeddings" if config["tie_word_embeddings"] else "lm_head"
    last = norm(weights, "model.norm", eps)
    return np.array([last(row) for row in x]) @ weights[f"{head}.weight"].T


def mdlm(config: Mapping[str, Any], weights: Weights, tokens: list[int]) -> Floats:
    """At noise level 0, whose embedding is 128 times cos 0 and 128 times sin 0."""
    w = {name.removeprefix("backbone."): value for name, value in weights.items()}
    width, heads = config["hidden_dim"], config["n_heads"]

    def layer_norm(row: Floats, name: str) -> Floats:
        return (row - row.mean()) / math.sqrt(row.var() + 1e-5) * w[f"{name}.weight"]

    def gelu(x: Floats) -> Floats:
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))

    level = linear(w, "sigma_map.mlp.0")(np.array([1.0] * 128 + [0.0] * 128))
    condition = linear(w, "sigma_map.mlp.2")(level * sigmoid(level))
    condition = condition * sigmoid(condition)
    attention = Heads(heads, heads, 10000.0, width // heads)
    x = w["vocab_embed.embedding"][tokens]
    for i in range(config["n_blocks"]):
        name = f"blocks.{i}"
        changes = np.split(linear(w, f"{name}.adaLN_modulation")(condition), 6)
        h = np.array(
            [layer_norm(row, f"{name}.norm1") * (1 + changes[1]) + changes[0] for row in x]
        )
        q, k, v = np.split(linear(w, f"{name}.attn_qkv")(h), 3, axis=1)
        x = x + changes[2] * linear(w, f"{name}.attn_out")(attention.attend(q, k, v))
        h = np.array(
            [layer_norm(row, f"{name}.norm2") * (1 + changes[4]) + changes[3] for row in x]
        )
        x = x + changes[5] * linear(w, f"{name}.mlp.2")(gelu(linear(w, f"{name}.mlp.0")(h)))
    shift, scale = np.split(linear(w, "output_layer.adaLN_modulation")(condition), 2)
    rows = [layer_norm(row, "output_layer.norm_final") * (1 + scale) + shift for row in x]
    return linear(w, "output_layer.linear")(np.array(rows))
