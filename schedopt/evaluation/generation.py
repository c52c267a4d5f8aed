"""What policies write: how likely an autoregressive judge finds it, and how varied it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schedopt.clusters import Measured, check_documents
from schedopt.errors import MissingModelError, UsageError
from schedopt.evaluation.diversity import distinct_n, pooled_distinct_n, token_entropy
from schedopt.evaluation.judge import Judge
from schedopt.evaluation.score import Metric, Score, finite, score_row
from schedopt.evaluation.units import batch_for, flops_of, for_each_policy, name_of, policies_of
from schedopt.models import Denoiser
from schedopt.models.denoiser import NO_TOKEN, start_of_text
from schedopt.models.tokenizer import Tokenizer
from schedopt.running import LOCAL, Arrays, Progress, Runner, fingerprint
from schedopt.samplers.drawing import draw
from schedopt.samplers.policies import Policy
from schedopt.schedule import UnmaskingSchedule

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

JUDGE_NLL: Final = Metric("judge_nll", "nats per token of the judge")
TOKEN_ENTROPY: Final = Metric("token_entropy", "nats per text", "higher")
GRAMS: Final = (1, 2, 3)  # n of the n-grams that are counted
COUNT: Final = 64


@dataclass(frozen=True, eq=False, repr=False)
class EntropyScore(Score):
    """Entropy of the tokens of each text, nats: the more, the more varied."""

    metric: ClassVar[Metric] = TOKEN_ENTROPY


@dataclass(frozen=True, eq=False, repr=False)
class TextScore(Score):
    """What a judge makes of the texts of one policy, and how varied they are.

    One is nothing without the other: dull texts are likely. Values are nats per token of the
    judge, and weights its tokens, so that the mean is over all tokens; it is infinite where all
    texts are empty.

    Args:
        texts: What was written, after the prompts and before the end.
        entropy: Shape (N,), entropy of the tokens of each text, nats.
        distinct: Shape (N, 3), share of the 1-, 2- and 3-grams of each text that are distinct.
        pooled_distinct: The same of all texts together; it falls with their number.
    """

    metric: ClassVar[Metric] = JUDGE_NLL

    texts: tuple[str, ...]
    entropy: Floats
    distinct: Floats
    pooled_distinct: tuple[float, ...]

    @property
    def perplexity(self) -> Measured:
        """Generative perplexity: exp of the mean NLL, its standard error to first order."""
        nll = self.mean
        value = math.exp(nll.value) if nll.value < math.log(np.finfo(float).max) else math.inf
        return Measured(value, value * nll.stderr)

    @property
    def by_entropy(self) -> EntropyScore:
        """How varied the texts are: what stands beside the judge's NLL."""
        return self.beside(EntropyScore, self.entropy)

    @property
    def aspects(self) -> tuple[Score, ...]:
        """The judge's NLL and the variety: no sampler is better for duller texts."""
        return (self, self.by_entropy)

    @property
    def mean_distinct(self) -> tuple[Measured, ...]:
        """Shares of the 1-, 2- and 3-grams of a text that are distinct, means over texts."""
        return tuple(self._measured(column) for column in self.distinct.T)

    def as_row(self, *, reference: Score | None = None) -> dict[str, Any]:
        """The judgement as a JSON object: the judge's NLL never without the variety."""
        row = score_row(self, reference=reference)
        beside = {"perplexity": self.perplexity, "token_entropy": self.by_entropy.mean}
        for n, measured in zip(GRAMS, self.mean_distinct, strict=True):
            beside[f"distinct_{n}"] = measured
        for name, each in beside.items():
            row |= {name: finite(each.value), f"{name}_stderr": finite(each.stderr)}
        pooled = zip(GRAMS, self.pooled_distinct, strict=True)
        return row | {f"pooled_distinct_{n}": share for n, share in pooled}


def evaluate_texts(
    denoiser: Denoiser,
    judge: Judge,
    policies: Sequence[UnmaskingSchedule | Policy],
    *,
    length: int,
    prompts: Tensor | None = None,
    documents: Integers | None = None,
    count: int | None = None,
    temperature: float = 1.0,
    guidance: float = 0.0,
    seed: int = 0,
    siblings: Sequence[Denoiser] = (),
    batch_size: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> tuple[TextScore, ...]:
    """Let policies write, from the same prompts and random numbers, and judge what they write.

    A text ends at the model's end token, where it has one. Bytes that are no UTF-8 reach the
    judge as U+FFFD; the variety is that of the model's own tokens.

    Args:
        denoiser: The model, with a tokenizer.
        judge: Scores each text given its prompt.
        policies: Schedules and planners.
        length: Tokens to sample, a whole number of blocks.
        prompts: Shape (P, C), token ids, ``NO_TOKEN`` at the left of shorter ones; nothing, or
            the token that must stand first, where left out.
        documents: Shape (P,), the document of each prompt, over which standard errors are taken;
            each its own where left out.
        count: Texts of each policy, which take the prompts in turn; one a prompt where left out,
            64 where there are none.
        temperature: T of p^(1/T), >= 0; 0 takes the likeliest token.
        guidance: Weight of classifier-free guidance, which takes a second pass each; 0 for none.
        seed: Of orders and tokens, >= 0.
        siblings: Models 1, 2, ... of schedules that switch models.
        batch_size: Texts that go through the model at once; no result depends on it.
        progress: Called with the number of texts done and their total, over all policies, and
            the standard error of the mean NLL of a text so far.
        runner: Shares and journals the work.

    Returns:
        One score for each policy, in order.

    Raises:
        MissingModelError: The model has no tokenizer, so that nobody can read what it writes, or
            a policy calls a model that is not there.
        UsageError: The length is no whole number of blocks, models disagree about tokens, the
            shapes do not fit, or a number is out of range.
        InputError: All texts are of one document.

    Example:
        >>> from schedopt.evaluation.judge import load_judge
        >>> from schedopt.models import load_model
        >>> from schedopt.sizes import dus_schedule
        >>> model, judge = load_model("tiny-light"), load_judge("tiny-judge")
        >>> (score,) = evaluate_texts(model, judge, [dus_schedule(8)], length=8, count=4)
        >>> len(score.texts), score.nfe, score.perplexity.value > 1.0
        (4, 3.0, True)
    """
    if denoiser.tokenizer is None:
        raise MissingModelError(
            "the model has no tokenizer: a judge reads text, not tokens",
            hint="give a folder with tokenizer.json, or judge it by NLL alone",
        )
    read = denoiser.tokenizer
    models = (denoiser, *siblings)
    plans = policies_of(policies, models, length)
    given, owners = _given(denoiser, prompts, documents, count)
    check_documents(owners)
    start = given.shape[1]
    masks = torch.full((len(given), length), denoiser.mask_id)
    canvas = torch.cat([given, masks], dim=1)
    contexts = [read.decode(_real(row)) for row in given.tolist()]

    def compute(policy: Policy, rows: slice) -> Arrays:
        result = draw(
            models,
            canvas[rows],
            policy,
            start=start,
            rows=range(rows.start, rows.stop),
            seed=seed,
            temperature=temperature,
            eos_id=denoiser.eos_id,
            guidance=guidance,
        )
        tokens = result.tokens[:, start:].cpu().numpy()
        texts = [read.decode(row) for row in _written(tokens, denoiser.eos_id)]
        judged = judge.nll(texts, contexts[rows])
        scored = judged.tokens.astype(np.float64)
        return (
            judged.nats / np.maximum(scored, 1.0),
            scored,
            tokens,
            result.passes.astype(np.float64),
        )

    judged_by = " ".join(f"{key}={value}" for key, value in judge.provenance.items())
    asked = (f"{seed} {length} {temperature} {guidance} {judged_by}", *map(name_of, plans))
    found = for_each_policy(
        f"texts {fingerprint(canvas.numpy(), *asked)}",
        plans,
        owners,
        compute,
        batch_size=batch_for(denoiser, len(given), canvas.shape[1], batch_size),
        progress=progress,
        runner=runner,
    )
    return tuple(
        _score(policy, parts, owners, read, denoiser.eos_id, flops_of(parts[3], models, canvas))
        for policy, parts in zip(plans, found, strict=True)
    )


def _given(
    denoiser: Denoiser, prompts: Tensor | None, documents: Integers | None, count: int | None
) -> tuple[Tensor, Integers]:
    """The prompt of each text, and its document."""
    if prompts is None:
        if documents is not None:
            raise UsageError(f"documents: {len(documents)} are those of prompts, of which none is")
        prompts = torch.tensor([start_of_text(denoiser)], dtype=torch.int64)
        count = COUNT if count is None else count
        documents = np.arange(max(count, 1))
        prompts = prompts.expand(len(documents), -1)
    elif prompts.ndim != 2 or len(prompts) == 0:
        raise UsageError(f"prompts: need shape (P, C), P >= 1, got {tuple(prompts.shape)}")
    if documents is None:
        documents = np.arange(len(prompts))
    if len(documents) != len(prompts):
        raise UsageError(f"need a document a prompt, got {len(documents)} and {len(prompts)}")
    if count is not None and count < 1:
        raise UsageError(f"count: need a whole number >= 1, got {count}")
    turn = np.arange(len(prompts) if count is None else count) % len(prompts)
    return prompts.cpu()[torch.from_numpy(turn)], documents[turn]


def _real(row: list[int]) -> list[int]:
    return [token for token in row if token != NO_TOKEN]


def _written(tokens: Integers, eos_id: int | None) -> list[list[int]]:
    """The tokens of each row before its end."""
    rows: list[list[int]] = tokens.tolist()
    return [row[: row.index(eos_id)] if eos_id in row else row for row in rows]


def _score(
    policy: Policy,
    parts: Arrays,
    owners: Integers,
    read: Tokenizer,
    eos_id: int | None,
    flops: Floats | None,
) -> TextScore:
    values, weights, tokens, passes = parts
    rows = _written(tokens, eos_id)
    return TextScore(
        policy.label,
        policy.block_length,
        values,
        passes,
        owners,
        np.array([len(row) for row in rows], dtype=np.float64),
        tuple(read.decode(row) for row in rows),
        token_entropy(rows),
        np.stack([distinct_n(rows, n) for n in GRAMS], axis=1),
        tuple(pooled_distinct_n(rows, n) for n in GRAMS),
        weights=weights,
        flops=flops,
    )
