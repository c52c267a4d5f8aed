"""KL(law || sampler) of policies on exact laws, nats: what NLL and judges cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from schedopt.errors import UsageError
from schedopt.evaluation.nll import sequential_policy, teacher_forced
from schedopt.evaluation.score import Metric, Score
from schedopt.evaluation.units import batch_for, for_each_policy, name_of, policies_of
from schedopt.models import Denoiser, LawDenoiser
from schedopt.running import LOCAL, Arrays, Progress, Runner, fingerprint
from schedopt.samplers.gated import GatedSchedule
from schedopt.samplers.planners import Planner
from schedopt.samplers.policies import Policy, SchedulePolicy
from schedopt.schedule import Order, UnmaskingSchedule
from theory.distributions import Law
from theory.divergences import expected_kl, partition_kl
from theory.outputs import output_law_kl
from theory.tables import ENTRY_LIMIT

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KL: Final = Metric("kl", "nats per sequence")

# Of a law, that a policy is teacher-forced on one by one; a law with more of them is sampled.
MOST_OUTCOMES: Final = 2**12
MOST_SEQUENCES: Final = 2**16  # of all outcomes under several orders
SAMPLES: Final = 256
DECIMALS: Final = 12  # of mean passes: probabilities sum to one but for rounding


@dataclass(frozen=True, eq=False, repr=False)
class LawScore(Score):
    r"""KL(law || sampler) of one policy, nats per sequence.

    .. math:: KL = \sum_x p(x) \left( \log p(x) - \log q(x) \right),

    with q(x) what the sampler outputs x with at temperature 1. Where the order is random this is
    the *expected KL*, with the order known; the law of outputs mixes all orders and is nearer.

    Args:
        output_law_kl: KL(law || law of outputs), the order redrawn for every sample; the same as
            the KL where the order is not random; None where it is not computed.
    """

    metric: ClassVar[Metric] = KL

    output_law_kl: float | None = None


def law_kl(
    law: Law,
    policies: Sequence[UnmaskingSchedule | Policy],
    *,
    model: Denoiser | None = None,
    siblings: Sequence[Denoiser] = (),
    samples: int = SAMPLES,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress | None = None,
    runner: Runner = LOCAL,
) -> tuple[LawScore, ...]:
    """KL(law || sampler) of policies, exact where it can be.

    Of a schedule on the law itself it is a formula: that of the curve for a random order, of the
    conditional entropies for a fixed one. Of other policies it is the sum over the outcomes of
    the law, on each of which they are teacher-forced. Two things are drawn, and give the score a
    standard error: orders, where a policy has random ones and no formula holds (all outcomes share
    one order at a time), and outcomes, where the law has more than 2^12.

    Args:
        law: The truth.
        policies: Schedules and planners.
        model: What the sampler asks; the law itself where left out.
        siblings: Models 1, 2, ... of schedules that switch models.
        samples: How many orders or outcomes to draw, >= 2.
        seed: Of these, >= 0.
        batch_size: Outcomes that go through the model at once; no result depends on it.
        progress: Called with the number of teacher-forced sequences and their total, for each
            policy that has no formula.
        runner: Shares and journals the work.

    Returns:
        One score for each policy, in order; exact ones have no documents.

    Raises:
        UsageError: A policy has other positions than the law, or a model other symbols; fewer
            than 2 samples; or a law that is too large to ask.
        MissingModelError: A policy calls a model that is not there.

    References:
        theory, sections 2.1, 2.2, 2.4 and 2.5.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> from theory.distributions import build_law
        >>> one_step, = law_kl(build_law("parity", n=2), [dus_schedule(2)])
        >>> one_step.nfe, round(one_step.mean.value, 4), one_step.mean.stderr
        (1.0, 0.6931, 0.0)
    """
    if samples < 2:
        raise UsageError(f"samples: a standard error needs at least 2, got {samples}")
    oracle = LawDenoiser(law)
    models = (oracle if model is None else model, *siblings)
    _check_symbols(law, models[0])
    plans = policies_of(policies, models, law.n)
    run = _Run(law, models, oracle, samples, seed, batch_size, progress, runner)
    return tuple(_by_formula(run, policy) or _by_passes(run, policy) for policy in plans)


def _check_symbols(law: Law, model: Denoiser) -> None:
    if model.vocab_size < law.q or model.mask_id < law.q:
        raise UsageError(
            f"the law has symbols 0..{law.q - 1}, the model {model.vocab_size} tokens and the mask "
            f"{model.mask_id}: need a model of these symbols",
            hint="train one on draws of the law, its mask after its symbols",
        )


@dataclass(frozen=True)
class _Run:
    """What ``law_kl`` was asked."""

    law: Law
    models: Sequence[Denoiser]
    oracle: LawDenoiser
    samples: int
    seed: int
    batch_size: int | None
    progress: Progress | None
    runner: Runner

    def exact(
        self, policy: Policy, kl: float, passes: Floats, of_outputs: float | None
    ) -> LawScore:
        """A score without error, of one case; rounding may make a KL of 0 negative."""
        return LawScore(
            policy.label,
            policy.block_length,
            np.array([max(0.0, kl)]),
            passes[None],
            None,
            np.array([float(self.law.n)]),
            output_law_kl=None if of_outputs is None else max(0.0, of_outputs),
        )

    def drawn(self, policy: Policy, kls: Floats, passes: Floats) -> LawScore:
        """A score of drawn cases."""
        tokens = np.full(len(kls), float(self.law.n))
        cases = np.arange(len(kls))
        return LawScore(policy.label, policy.block_length, kls, passes, cases, tokens)

    @cached_property
    def outcomes(self) -> tuple[Integers, Floats] | None:
        """All outcomes and their probabilities, or None where they are too many."""
        if self.law.q**self.law.n > ENTRY_LIMIT or len(self.oracle.outcomes) > MOST_OUTCOMES:
            return None
        return self.oracle.outcomes.numpy(), self.oracle.probabilities.numpy()

    @cached_property
    def draws(self) -> tuple[Integers, Floats]:
        """Outcomes drawn from the law, and the log-probability of each."""
        tokens = self.law.draw(self.samples, np.random.default_rng(self.seed))
        # One position a step, the law itself says -log p(x).
        exact = sequential_policy(Order("left_to_right"), self.law.n)
        nll, _ = self.nll("truth", [self.oracle], exact, tokens, np.arange(len(tokens)))
        return tokens, -nll

    def nll(
        self,
        asked: str,
        models: Sequence[Denoiser],
        policy: Policy,
        tokens: Integers,
        rows: Integers,
    ) -> tuple[Floats, Floats]:
        """NLL of sequences, nats, and their passes by model; ``rows`` seed their orders.

        What is ``asked``, the truth or the models, tells their journal entries apart.
        """

        def compute(policy: Policy, part: slice) -> Arrays:
            return teacher_forced(
                models,
                torch.from_numpy(tokens[part]),
                policy,
                context=0,
                rows=rows[part].tolist(),
                seed=self.seed,
            )

        ((nll, passes),) = for_each_policy(
            f"law {asked} {fingerprint(tokens, rows, str(self.seed), name_of(policy))}",
            [policy],
            np.arange(len(tokens)),
            compute,
            batch_size=batch_for(models[0], len(tokens), self.law.n, self.batch_size),
            progress=self.progress,
            runner=self.runner,
            spread=False,  # outcomes that are enumerated have none
        )
        return nll, passes


def _by_formula(run: _Run, policy: Policy) -> LawScore | None:
    """What theory says of a schedule on the law itself, or None where it says nothing."""
    law = run.law
    if not isinstance(policy, SchedulePolicy) or run.models[0] is not run.oracle:
        return None
    schedule = policy.schedule
    if policy.models > 1 or schedule.order.is_planner:
        return None
    passes = np.zeros(len(run.models))
    passes[0] = schedule.total_steps(law.n)
    try:
        if schedule.order.is_fixed:
            kl = partition_kl(law, list(_groups(schedule, law.n)))
            return run.exact(policy, kl, passes, kl)
        if schedule.length < law.n:
            return None  # orders within blocks have no curve of their own
        sizes = schedule.sizes_of_block(0)
        kl = expected_kl(law.conditional_entropy_curve(), sizes)
    except ValueError:
        return None  # no closed form, and too large a table
    return run.exact(policy, kl, passes, _of_outputs(law, sizes))


def _of_outputs(law: Law, sizes: Sequence[int]) -> float | None:
    """KL to the law of outputs, or None where there is no table or it takes long."""
    if law.q**law.n > MOST_OUTCOMES:
        return None
    try:
        return output_law_kl(law.table(), sizes)
    except ValueError:
        return None


def _groups(schedule: UnmaskingSchedule, length: int) -> Iterator[list[int]]:
    """Positions of each step of all blocks."""
    for block in range(length // schedule.length):
        for group in schedule.groups(block=block):
            yield [block * schedule.length + position for position in group]


def _by_passes(run: _Run, policy: Policy) -> LawScore:
    """The policy, teacher-forced on all outcomes, or on those that are drawn."""
    if run.outcomes is None:
        tokens, log_chances = run.draws
        nll, passes = run.nll("models", run.models, policy, tokens, np.arange(len(tokens)))
        return run.drawn(policy, log_chances + nll, passes)
    tokens, chances = run.outcomes
    orders = 1
    if has_random_order(policy):
        orders = max(2, min(run.samples, MOST_SEQUENCES // len(tokens)))
    rows = np.repeat(np.arange(orders), len(tokens))  # one order for all outcomes
    nll, passes = run.nll("models", run.models, policy, np.tile(tokens, (orders, 1)), rows)
    kls = nll.reshape(orders, -1) @ chances + chances @ np.log(chances)
    means = np.einsum("rxm,x->rm", passes.reshape(orders, len(tokens), -1), chances).round(DECIMALS)
    if orders > 1:
        return run.drawn(policy, kls, means)
    return run.exact(policy, float(kls[0]), means[0], float(kls[0]))


def has_random_order(policy: Policy) -> bool:
    """Whether a policy draws its orders; of a kind that is not known here it is assumed."""
    if isinstance(policy, SchedulePolicy | GatedSchedule):
        return policy.schedule.order.name == "random"
    if isinstance(policy, Planner):
        return policy.order is not None and policy.order.name == "random"
    return True
