"""``SchedoptLM``: a masked diffusion model that lm-eval can ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import simple_parse_args_string
from tqdm import tqdm

from schedopt import __version__
from schedopt.errors import UsageError
from schedopt.harness.likelihood import Pair, along_policy, over_orders
from schedopt.harness.settings import LOG, read_settings
from schedopt.harness.texts import Texts
from schedopt.running import Progress
from schedopt.samplers import sample
from schedopt.samplers.active import Bools, Floats
from schedopt.samplers.siblings import check_enough, check_siblings
from schedopt.samplers.unmask import block_count

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

# What a request may say of generation; anything else, such as top_p, is not known here.
_UNDERSTOOD: Final = {"until", "max_gen_toks", "do_sample", "temperature"}


@register_model("schedopt")
class SchedoptLM(LM):
    """A masked diffusion model that follows a schedule or a planner: ``schedopt`` of lm-eval.

    Args:
        arguments: Those of ``Settings``, by name.

    Raises:
        UsageError: An unknown argument, a value out of its domain, or a model with no tokenizer.
        MissingModelError: The model or its tokenizer is not there.
        InputError: The model or the schedule is not what it must be.

    Example:
        >>> lm = SchedoptLM(pretrained="tiny", planner="dus:16", device="cpu")
        >>> lm.get_model_info()["schedopt"]["sampler"]
        'dus:16'
    """

    def __init__(self, **arguments: object) -> None:
        super().__init__()
        self.settings = read_settings(arguments)
        self.models = self.settings.models()
        self.denoiser = self.models[0]
        self.policy = self.settings.policy(self.denoiser)
        check_enough(self.policy, len(self.models))
        check_siblings(self.models)
        if self.settings.length is not None:
            block_count(self.settings.length, self.policy)
        self.texts = Texts(self.denoiser)
        self._device = self.denoiser.device
        self._nfe: list[int] = []
        self._tokens: list[int] = []

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: Mapping[str, object] | None = None
    ) -> Self:
        """As ``create_from_arg_obj``, of ``name=value,name=value``."""
        return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

    @classmethod
    def create_from_arg_obj(
        cls,
        arg_dict: Mapping[str, object],
        additional_config: Mapping[str, object] | None = None,
    ) -> Self:
        """A model of ``--model_args``, and of ``--device`` and ``--batch_size`` where it has none.

        Args:
            arg_dict: The arguments.
            additional_config: What lm-eval says besides. Its ``cuda:0`` is what it says unless
                told otherwise, and is taken for ``auto``.
        """
        more = dict(additional_config or {})
        if more.get("device") == "cuda:0":
            more["device"] = "auto"
        return cls(**{**more, **arg_dict})

    # Requests

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """Sample a continuation of each context.

        Whole blocks are sampled until there are ``max_gen_toks`` tokens (or those of the argument
        ``length``). The text ends after so many, at the end token, or where the first of the
        ``until`` strings begins. The passes are those of all blocks up to the end token: a
        schedule does not read what it writes. At temperature 0, which is what lm-eval means by
        ``do_sample: false``, each position gets its likeliest token. No answer depends on the
        batch; one whose tokens or order are drawn depends on its place among the requests, so
        that those which a task repeats differ.

        Args:
            requests: Each with a context and how to generate.
            disable_tqdm: Whether to show no progress.

        Returns:
            A text for each request.

        Raises:
            UsageError: A model that has no room for a context and the tokens asked for.
        """
        answers = [""] * len(requests)
        nfe, tokens = np.zeros((2, len(requests)), dtype=np.int64)
        asked = [self._asked(request.args[1]) for request in requests]
        alike: dict[tuple[int, float], list[int]] = defaultdict(list)
        for index, own in enumerate(asked):
            alike[own["length"], own["temperature"]].append(index)
        with _bar("generate_until", len(requests), disable_tqdm) as bar:
            for (length, temperature), members in alike.items():
                contexts = [self.texts.encode(requests[index].args[0]) for index in members]
                samples = sample(
                    self.denoiser,
                    self.policy,
                    prompt=[self.texts.fitted(context, length) for context in contexts],
                    length=length,
                    temperature=temperature,
                    seed=self.settings.seed,
                    batch_size=self.settings.batch_size,
                    guidance=self.settings.guidance,
                    siblings=self.models[1:],
                    progress=_told(bar),
                )
                for index, row, passes in zip(members, samples.tokens, samples.nfe, strict=True):
                    answer = self._before_end(row[-length:][: asked[index]["most"]])
                    answers[index] = _cut(self.texts.decode(answer), asked[index]["until"])
                    nfe[index], tokens[index] = passes, len(answer)
        self._nfe += nfe.tolist()
        self._tokens += tokens.tolist()
        if self._nfe:
            LOG.info(
                "%s: %.1f forward passes a request, %.2f tokens a pass",
                self.policy.label,
                np.mean(self._nfe),
                sum(self._tokens) / sum(self._nfe),
            )
        return answers

    def loglikelihood(
        self, requests: Sequence[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Log-likelihood of continuations, nats, and whether greedy decoding gives them.

        Spaces at the end of a context belong to the continuation, as everywhere in lm-eval. A
        context that is too long loses its beginning.

        Args:
            requests: Each with a context and a continuation.
            disable_tqdm: Whether to show no progress.

        Raises:
            UsageError: A continuation that is longer than the model takes.
        """
        pairs = [self.texts.pair(*request.args) for request in requests]
        with _bar("loglikelihood", len(pairs), disable_tqdm) as bar:
            values, greedy = self._score(pairs, bar, greedy=self.settings.check_greedy)
        return list(zip(values.tolist(), greedy.tolist(), strict=True))

    def loglikelihood_rolling(
        self, requests: Sequence[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Log-likelihood of whole texts, nats.

        A text is cut into windows of the model's length. Each is scored by itself, but the last,
        which is short, is given as much of the text before it as there is room for.

        Args:
            requests: Each with a text.
            disable_tqdm: Whether to show no progress.
        """
        windows = [self.texts.windows(request.args[0]) for request in requests]
        pairs = [pair for own in windows for pair in own]
        with _bar("loglikelihood_rolling", len(pairs), disable_tqdm) as bar:
            values, _ = self._score(pairs, bar, greedy=False)
        owners = np.repeat(np.arange(len(windows)), [len(own) for own in windows])
        totals: list[float] = np.bincount(owners, values, len(windows)).tolist()
        return totals

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes into its results: the model, the sampler, and what it took.

        ``nfe`` has the forward passes of each request of ``generate_until``, in order; their
        mean, and the tokens before the end of a text that one pass gives, stand beside it.
        """
        settings = self.settings
        info: dict[str, Any] = {
            "version": __version__,
            "model": dict(self.denoiser.provenance),
            "schedule": settings.schedule,
            "sampler": self.policy.label,
            "block_length": self.policy.block_length,
            "guidance": settings.guidance,
            "seed": settings.seed,
            "likelihood": settings.likelihood,
            "mc_samples": settings.mc_samples,
        }
        if self._nfe:
            info |= {
                "nfe": self._nfe,
                "mean_nfe": float(np.mean(self._nfe)),
                "tokens_per_forward": sum(self._tokens) / sum(self._nfe),
            }
        return {"schedopt": info}

    # Texts

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval's cache of requests tells tokenizers apart by; it is part of a file name."""
        return str(self.denoiser.provenance["name"]).replace("/", "__")

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The chat template's source, for lm-eval's results; "" where there is none."""
        return "" if self.texts.chat is None else self.texts.chat.source

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Messages in the chat template of the checkpoint.

        Args:
            chat_history: Messages, each with ``role`` and ``content``.
            add_generation_prompt: False where the last message is the beginning of the answer.

        Raises:
            UsageError: The checkpoint has no chat template.
            InputError: The template is broken, or refuses the messages.
        """
        if self.texts.chat is None:
            raise UsageError(
                f"model {self.tokenizer_name!r} has no chat template",
                hint="leave out --apply_chat_template",
            )
        return self.texts.chat.render(chat_history, unfinished=not add_generation_prompt)

    # What is asked of the model

    def _asked(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """How many tokens to sample and to keep, the temperature, and which strings end a text."""
        asked = normalize_gen_kwargs(dict(kwargs), self.settings.max_gen_toks)
        if unknown := asked.keys() - _UNDERSTOOD:
            LOG.warning("generation without %s, which schedopt does not know", sorted(unknown))
        sampled, temperature = kwargs.get("do_sample"), kwargs.get("temperature")
        if temperature is None:
            temperature = 1.0 if sampled else self.settings.temperature
        block, most = self.policy.block_length, self.settings.length or asked["max_gen_toks"]
        return {
            "length": -(-most // block) * block,
            "most": most,
            "temperature": 0.0 if sampled is False else float(temperature),
            "until": asked["until"],
        }

    def _score(
        self, pairs: Sequence[Pair], bar: tqdm[Any], *, greedy: bool
    ) -> tuple[Floats, Bools]:
        settings = self.settings
        exactly = settings.likelihood == "schedule"
        values, is_greedy = np.zeros(len(pairs)), np.zeros(len(pairs), dtype=np.bool_)
        if not exactly:
            values = over_orders(
                self.denoiser,
                pairs,
                draws=settings.mc_samples,
                seed=settings.seed,
                batch_size=settings.batch_size,
                guidance=settings.guidance,
                told=bar.update,
            )
        if exactly or greedy:
            exact, is_greedy = along_policy(
                self.models,
                pairs,
                self.policy,
                seed=settings.seed,
                batch_size=settings.batch_size,
                guidance=settings.guidance,
                told=bar.update if exactly else lambda _: None,
            )
            values = exact if exactly else values
        return values, is_greedy

    def _before_end(self, tokens: Sequence[int]) -> Sequence[int]:
        """Tokens before the end token, or all."""
        end = self.denoiser.eos_id
        return tokens[: tokens.index(end)] if end in tokens else tokens


def _cut(text: str, until: Sequence[str]) -> str:
    """A text up to the first of these strings; an empty one ends nothing."""
    return text[: min((text.find(stop) for stop in until if stop and stop in text), default=None)]


def _bar(name: str, total: int, hidden: bool) -> tqdm[Any]:
    return tqdm(total=total, desc=f"Running {name} requests", disable=hidden)


def _told(bar: tqdm[Any]) -> Progress:
    """Tells a bar how far work is that begins now."""
    begun = bar.n

    def told(done: int, total: int, stderr: float | None = None) -> None:
        bar.update(begun + done - bar.n)

    return told
