"""Families of published checkpoints, by the architecture that their configs name.

``model_type`` does not tell them apart: LLaDA and LLaDA-MoE publish the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schedopt.models.families.causal import LLAMA, QWEN2, QWEN3
from schedopt.models.families.family import Family, NetworkConfig
from schedopt.models.families.gpt2 import GPT2
from schedopt.models.families.llada import LLADA
from schedopt.models.families.mdlm import MDLM
from schedopt.models.families.moe import LLADA2, LLADA_MOE
from schedopt.models.families.qwen import A2D_QWEN2, A2D_QWEN3, DREAM, ILLADA

FAMILIES: Final[Mapping[str, Family]] = {
    "LLaDAModelLM": LLADA,
    "ILLaDAForCausalLM": ILLADA,
    "DreamModel": DREAM,  # Dream-Coder and DiffuCoder too
    "MDLM": MDLM,
    "A2DQwen2LMHeadModel": A2D_QWEN2,
    "A2DQwen3LMHeadModel": A2D_QWEN3,
    "LLaDAMoEModelLM": LLADA_MOE,
    "LLaDAMoEModel": LLADA_MOE,
    "LLaDA2MoeModelLM": LLADA2,
}
# These see only what stands before: judges of texts, not denoisers.
AUTOREGRESSIVE: Final[Mapping[str, Family]] = {
    "Qwen2ForCausalLM": QWEN2,
    "Qwen3ForCausalLM": QWEN3,
    "LlamaForCausalLM": LLAMA,
    "GPT2LMHeadModel": GPT2,
}

__all__ = ["AUTOREGRESSIVE", "FAMILIES", "Family", "NetworkConfig"]
