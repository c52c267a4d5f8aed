"""The model ``schedopt`` of lm-evaluation-harness."""

from __future__ import annotations

import json
import math
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from sampler_cases import random_network
from tokenizer_files import HEADERS, write_fast

from schedopt.errors import InputError, MissingInputError, MissingModelError, UsageError
from schedopt.files import ScheduleFile, write
from schedopt.harness import register
from schedopt.harness.likelihood import along_policy, over_orders
from schedopt.models import LawDenoiser, load_model
from schedopt.models.tokenizer import read_tokenizer
from schedopt.samplers import policy_for, sample
from schedopt.schedule import Order, UnmaskingSchedule
from schedopt.sizes import dus_schedule

lm_eval = pytest.importorskip("lm_eval")
SchedoptLM = register()

TASKS = Path(__file__).resolve().parent.parent / "experiments" / "lm_eval"


class Letters:
    """A tokenizer of the letters a, b, c, ... and the space, which is the last."""

    def __init__(self, symbols: int) -> None:
        self.names = "abcdefgh"[: symbols - 1] + " "

    def encode(self, text: str) -> list[int]:
        return [self.names.index(letter) for letter in text]

    prompt = encode

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self.names[t] for t in tokens if t < len(self.names))


def network(*, symbols: int = 5, seed: int = 0, eos_id: int | None = None) -> Any:
    """A random network that reads and writes letters."""
    model = random_network(vocab_size=symbols + 1, seed=seed)
    model.tokenizer = Letters(symbols)
    model.eos_id = eos_id
    return model


def asked(*arguments: object) -> Any:
    """A request of lm-eval."""
    return SimpleNamespace(args=arguments)


def generate(lm: Any, *contexts: str, **kwargs: object) -> list[str]:
    return lm.generate_until([asked(context, kwargs) for context in contexts], disable_tqdm=True)


def scores(lm: Any, *pairs: tuple[str, str]) -> list[tuple[float, bool]]:
    return lm.loglikelihood([asked(*pair) for pair in pairs], disable_tqdm=True)


@pytest.fixture
def schedule_file(tmp_path: Path) -> str:
    path = tmp_path / "schedule.json"
    write(path, ScheduleFile(dus_schedule(16)))
    return str(path)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError(f"a connection to {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# In lm-eval


@pytest.mark.usefixtures("offline")
def test_the_local_tasks_run(schedule_file: str) -> None:
    from lm_eval.tasks import TaskManager

    done = lm_eval.simple_evaluate(
        model="schedopt",
        model_args=f"pretrained=tiny,schedule={schedule_file},mc_samples=16",
        tasks=["python_choice", "python_complete"],
        task_manager=TaskManager(include_path=str(TASKS), include_defaults=False),
        batch_size=8,
        device="cpu",
        limit=4,
        bootstrap_iters=0,
    )
    assert done["results"]["python_choice"]["acc,none"] == 1.0
    assert done["results"]["python_complete"]["exact_match,none"] == 1.0
    info = done["config"]["schedopt"]
    assert info["nfe"] == [4] * 4
    assert info["mean_nfe"] == info["tokens_per_forward"] == 4.0
    assert info["model"]["name"] == "tiny"
    assert info["schedule"] == schedule_file
    json.dumps(info)
    (scored,) = done["samples"]["python_choice"][0]["resps"][0]
    context, ending = done["samples"]["python_choice"][0]["arguments"][0]
    tiny = load_model("tiny")
    pair = list(context.encode()), list(ending.encode())
    assert scored[0] == pytest.approx(over_orders(tiny, [pair], draws=16)[0], rel=1e-4)
    assert scored[1]


def test_every_document_of_the_local_tasks_has_one_right_choice() -> None:
    lines = (TASKS / "python.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        document = json.loads(line)
        assert len(document["choices"]) == len(set(document["choices"])) == 4
        assert len({len(choice) for choice in document["choices"]}) == 1
        assert 0 <= document["gold"] < 4
    assert len(lines) == 24


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of lm-eval; errors of schedopt are told as everywhere in schedopt."""
    import lm_eval.__main__ as command

    from schedopt.harness.__main__ import main

    def evaluate() -> None:
        SchedoptLM(schedul="schedule.json")

    monkeypatch.setattr(command, "setup_logging", lambda: None)
    monkeypatch.setattr(sys, "argv", ["schedopt.harness", "run", "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert "--model_args" in capsys.readouterr().out
    monkeypatch.setattr(command, "cli_evaluate", evaluate)
    assert main() == UsageError.exit_code
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: unknown model argument 'schedul'", "hint: is it schedule?"]
    monkeypatch.setattr(command, "cli_evaluate", lambda: None)
    assert main() == 0


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from schedopt.harness.__main__ import main

    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(MissingModelError, match="the package lm-eval"):
        register()
    assert main() == 6
    assert capsys.readouterr().err.splitlines() == [
        "error: the package lm-eval, which would run the tasks, is missing",
        "hint: pip install 'schedopt[lm-eval]'",
    ]


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("schedul=a.json", "unknown model argument 'schedul'"),
        ("rank=dilated", "unknown model argument 'rank'"),
        ("planner=eb:0.5,rank=sideways", "planner 'eb:0.5,rank=sideways': rank: need one of"),
        ("planner=ib", "unknown planner 'ib'"),
        ("planner=eb,steps=4", "steps: planner 'eb' sets its number of steps itself"),
        ("schedule=a.json,planner=eb", "planner: the schedule 'a.json' brings its own"),
        ("schedule=a.json,steps=4", "steps: the schedule 'a.json' brings its own"),
        ("mc_samples=0", "mc_samples: need a whole number >= 1, got 0"),
        ("batch_size=many", "batch_size: need a whole number >= 1, got 'many'"),
        ("seed=0.5", "seed: need a whole number >= 0, got 0.5"),
        ("guidance=-1", "guidance: need a finite number >= 0, got -1"),
        ("guidance=much", "guidance: need a number, got 'much'"),
        ("temperature=true", "temperature: need a number, got True"),
        ("check_greedy=2", "check_greedy: need true or false, got 2"),
        ("likelihood=best", "likelihood: need mc or schedule, got 'best'"),
        ("length=12,block_length=8", "length: need a positive multiple of the block length 8"),
        ("device=abacus", "device 'abacus' is not usable here"),
    ],
)
def test_refused_arguments(arguments: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        SchedoptLM.create_from_arg_string(arguments)
    assert message in str(refused.value)


def test_arguments_as_lm_eval_hands_them_over(schedule_file: str, tmp_path: Path) -> None:
    """Its command line gives batch sizes as text, and a device that nobody asked for."""
    text = "pretrained=tiny,planner=eb:0.25,rank=dilated,cap=4,block_length=16"
    defaults = {"batch_size": "8", "max_batch_size": None, "device": "cuda:0"}
    lm = SchedoptLM.create_from_arg_string(text, defaults)
    assert lm.policy.label == "eb:0.25,rank=dilated,cap=4"
    assert lm.settings.batch_size == 8
    own = SchedoptLM.create_from_arg_obj({"batch_size": 3, "device": "cpu"}, defaults)
    assert own.settings.batch_size == 3
    assert own.policy.label == "confidence"
    assert own.policy.schedule.step_sizes == (1,) * 32
    automatic = {"batch_size": "auto:4", "device": "cpu"}
    assert SchedoptLM.create_from_arg_obj({}, automatic).settings.batch_size == 32
    automatic["max_batch_size"] = 5
    assert SchedoptLM.create_from_arg_obj({}, automatic).settings.batch_size == 5
    numbered = tmp_path / "8"
    Path(schedule_file).rename(numbered)
    with pytest.raises(MissingInputError, match="cannot read 8"):
        SchedoptLM.create_from_arg_string("schedule=8")


def test_schedules_that_do_not_suit_the_model(tmp_path: Path, caplog: Any) -> None:
    with pytest.raises(MissingInputError, match=r"cannot read .*none\.json"):
        SchedoptLM(schedule=str(tmp_path / "none.json"))
    path = str(tmp_path / "schedule.json")
    write(path, ScheduleFile(dus_schedule(512)))
    with pytest.raises(InputError, match=r"length: the model takes 256 tokens at most, got 512"):
        SchedoptLM(schedule=path)
    two = UnmaskingSchedule(16, Order("dilated"), (8, 8), models=(0, 1))
    write(path, ScheduleFile(two))
    with pytest.raises(MissingModelError, match="calls models 0 to 1, but there is no model 1"):
        SchedoptLM(schedule=path)
    with pytest.raises(UsageError, match="models 0 and 1 have vocab_size 258 and 6"):
        SchedoptLM(schedule=path, light=network())
    lm = SchedoptLM(schedule=path, light="tiny-light", device="cpu")
    assert generate(lm, "import ", max_gen_toks=16)[0]
    elsewhere = {"model": {"name": "other", "weights_sha256": "0" * 64}}
    write(path, ScheduleFile(dus_schedule(16), provenance=elsewhere))
    with watched(caplog):
        SchedoptLM(schedule=path)
    assert "was measured on other, not on tiny: the loss that it predicts" in caplog.text
    write(path, ScheduleFile(dus_schedule(16), provenance={"model": {"mask_id": 7}}))
    with pytest.raises(InputError, match="measured with mask token 7, but the model has 257"):
        SchedoptLM(schedule=path)


def watched(caplog: Any) -> Any:
    """What users of lm-eval are told."""
    return caplog.at_level("INFO", logger="lm_eval.schedopt")


def test_a_model_without_a_tokenizer() -> None:
    with pytest.raises(UsageError, match="the model has no tokenizer"):
        SchedoptLM(pretrained=LawDenoiser([[0.5, 0.0], [0.0, 0.5]]), planner="dus:2")


# generate_until


def test_answers_are_those_of_the_sampler_whatever_the_batch() -> None:
    model = network()
    contexts = ["ab", "", "abcd ab", "a", "dd"]
    policy = policy_for("eb:0.4", block_length=4)
    expected = [
        model.tokenizer.decode(
            sample(model, policy, prompt=model.tokenizer.encode(c), length=8, temperature=0.0)
            .tokens[0][len(c) :][:7]
        )
        for c in contexts
    ]  # fmt: skip
    for batch_size in (1, 2, 8):
        lm = SchedoptLM(pretrained=model, planner="eb:0.4", block_length=4, batch_size=batch_size)
        assert generate(lm, *contexts, max_gen_toks=7) == expected
    assert len(lm.get_model_info()["schedopt"]["nfe"]) == len(contexts)


def test_lengths() -> None:
    """Whole blocks are sampled, and what was asked for is kept.

    The argument comes first, and the task before the default.
    """
    model = network()
    lm = SchedoptLM(pretrained=model, planner="dus:4", max_gen_toks=10)
    assert [len(generate(lm, "a", max_gen_toks=n)[0]) for n in (1, 4, 5)] == [1, 4, 5]
    assert lm.get_model_info()["schedopt"]["nfe"] == [2, 2, 4]
    assert len(generate(lm, "a", max_new_tokens=9)[0]) == 9
    assert len(generate(lm, "a")[0]) == 10
    fixed = SchedoptLM(pretrained=model, planner="dus:4", length=8)
    assert len(generate(fixed, "a", max_gen_toks=100)[0]) == 8
    assert fixed.get_model_info()["schedopt"]["nfe"] == [4]


def test_until() -> None:
    lm = SchedoptLM(pretrained=network(), planner="dus:8", length=16)
    (whole,) = generate(lm, "ab")
    stop = whole[5:7]
    assert generate(lm, "ab", until=[stop, "", "never"]) == [whole[: whole.index(stop)]]
    assert generate(lm, "ab", until=whole[0]) == [""]
    assert generate(lm, "ab", until=[]) == [whole]


def test_answers_stop_at_the_end_token() -> None:
    """Which is left out, as is what stands after it, and what it saved in passes is told."""
    model = network(seed=2)
    (whole,) = generate(SchedoptLM(pretrained=model, planner="left_to_right", length=32), "a")
    model.eos_id = model.tokenizer.encode(whole)[2]
    before = whole[: whole.index(whole[2])]
    lm = SchedoptLM(pretrained=model, planner="left_to_right", block_length=8, length=32)
    shown = SchedoptLM(pretrained=model, planner="left_to_right", block_length=32, length=32)
    assert generate(shown, "a") == [before]
    info = lm.get_model_info()["schedopt"]
    assert "nfe" not in info
    (answer,) = generate(lm, "a")
    info = lm.get_model_info()["schedopt"]
    assert info["tokens_per_forward"] == len(answer) / info["nfe"][0]


def test_temperatures() -> None:
    model = network()
    lm = SchedoptLM(pretrained=model, planner="dus:8", length=16, seed=5)
    greedy = generate(lm, "ab")
    assert generate(lm, "ab", do_sample=False, temperature=1.0) == greedy
    assert generate(lm, "ab", temperature=0.0) == greedy
    policy = policy_for("dus:8", block_length=8)
    drawn = sample(model, policy, prompt=[0, 1], length=16, temperature=1.0, seed=5).tokens[0][2:]
    text = model.tokenizer.decode(drawn)
    assert text != greedy[0]
    assert generate(lm, "ab", do_sample=True) == [text]
    assert generate(lm, "ab", temperature=1.0) == [text]
    warm = SchedoptLM(pretrained=model, planner="dus:8", length=16, seed=5, temperature=1.0)
    assert generate(warm, "ab") == [text]
    assert generate(warm, "ab", do_sample=False) == greedy
    one, other = generate(lm, "ab", "ab", temperature=1.0)  # as for `repeats` of a task
    assert one != other


def test_what_is_not_understood_is_said(caplog: Any) -> None:
    lm = SchedoptLM(pretrained=network(), planner="dus:8", length=8)
    with watched(caplog):
        generate(lm, "ab", top_p=0.9)
    assert "generation without ['top_p']" in caplog.text
    assert "dus:8: 3.0 forward passes a request" in caplog.text


def test_long_contexts(caplog: Any) -> None:
    lm = SchedoptLM(pretrained="tiny", planner="dus:16", device="cpu")
    text = "x = 1\n" * 60
    with watched(caplog):
        cut = generate(lm, text, max_gen_toks=16)
    assert "context of 360 tokens: the last 240 are kept" in caplog.text
    assert cut == generate(lm, text[-240:], max_gen_toks=16)
    with pytest.raises(UsageError, match="256 tokens leave no room for a context"):
        generate(lm, "a")
    assert len(generate(lm, "")) == 1


def test_guidance() -> None:
    model = network()
    lm = SchedoptLM(pretrained=model, planner="confidence", block_length=8, length=8, guidance=2)
    policy = policy_for("confidence", block_length=8, steps=8)
    done = sample(model, policy, prompt=[0, 1], length=8, temperature=0.0, guidance=2.0)
    assert generate(lm, "ab") == [model.tokenizer.decode(done.tokens[0][2:])]
    assert lm.get_model_info()["schedopt"]["nfe"] == [16]
    ((value, _),) = scores(lm, ("ab", "cd"))
    assert value == pytest.approx(over_orders(model, [([0, 1], [2, 3])], guidance=2.0)[0])


# loglikelihood


def test_loglikelihoods() -> None:
    model = network()
    texts = [("ab", "cd"), ("", "abc"), ("ab ", "c"), ("ab", " c"), ("a", ""), ("", "")]
    spaces = model.tokenizer.encode("ab"), model.tokenizer.encode(" c")
    pairs = [([0, 1], [2, 3]), ([], [0, 1, 2]), spaces, spaces, ([0], []), ([], [])]
    policy = policy_for("dus:4", block_length=4)
    along, greedy = along_policy([model], pairs, policy)
    lm = SchedoptLM(pretrained=model, planner="dus:4")
    values, is_greedy = zip(*scores(lm, *texts), strict=True)
    np.testing.assert_allclose(values, over_orders(model, pairs))
    assert list(is_greedy) == greedy.tolist()
    assert all(isinstance(value, float) for value in values)
    exact = SchedoptLM(pretrained=model, planner="dus:4", likelihood="schedule")
    np.testing.assert_allclose([v for v, _ in scores(exact, *texts)], along)
    unchecked = SchedoptLM(pretrained=model, planner="dus:4", check_greedy=False)
    assert scores(unchecked, *texts) == [(value, False) for value in values]
    assert scores(lm) == []


def test_a_greedy_answer_is_called_so() -> None:
    model = network()
    lm = SchedoptLM(pretrained=model, planner="entropy", block_length=8, steps=3)
    (answer,) = generate(lm, "abc", max_gen_toks=8)
    wrong = answer[:-1] + ("a" if answer[-1] != "a" else "b")
    found = scores(lm, ("abc", answer), ("abc", wrong))
    assert [greedy for _, greedy in found] == [True, False]


def test_a_long_context_loses_its_beginning() -> None:
    lm = SchedoptLM(pretrained="tiny", device="cpu", check_greedy=False)
    text = "x = 1\n" * 60
    assert scores(lm, (text, "y")) == scores(lm, (text[-255:], "y"))
    with pytest.raises(UsageError, match="sequence of 300 tokens: this model takes at most 256"):
        scores(lm, ("", "a" * 300))
    with pytest.raises(UsageError, match="256 tokens leave no room for a context"):
        scores(lm, ("b", "a" * 256))


def test_texts_with_the_mask_token() -> None:
    class Named(Letters):
        def encode(self, text: str) -> list[int]:
            return [5 if letter == "?" else self.names.index(letter) for letter in text]

    model = network()
    model.tokenizer = Named(5)
    lm = SchedoptLM(pretrained=model, planner="dus:4", length=4)
    for ask in (lambda: generate(lm, "a?"), lambda: scores(lm, ("a", "b?"))):
        with pytest.raises(UsageError, match=r"holds the mask token, as token [12] of 'ab?\?'"):
            ask()


@pytest.mark.parametrize("likelihood", ["mc", "schedule"])
def test_rolling_windows(likelihood: str) -> None:
    """Windows of the model's length, the last one with what stands before it."""
    model = network()
    model.max_length = 8
    text = "abcd abcdaabb d ccda"  # 20 letters
    tokens = model.tokenizer.encode(text)
    windows = [([], tokens[:8]), ([], tokens[8:16]), (tokens[12:16], tokens[16:])]
    lm = SchedoptLM(pretrained=model, planner="dus:4", likelihood=likelihood)
    score: Callable[[Any], Any] = {
        "mc": lambda pairs: over_orders(model, pairs),
        "schedule": lambda pairs: along_policy([model], pairs, policy_for("dus:4", block_length=4))[
            0
        ],
    }[likelihood]
    requests = [asked(text), asked(""), asked("ab"), asked(text[:8])]
    found = lm.loglikelihood_rolling(requests, disable_tqdm=True)
    expected = [score(windows).sum(), 0.0, score([([], [0, 1])])[0], score(windows[:1])[0]]
    np.testing.assert_allclose(found, expected)
    model.max_length = None
    (whole,) = lm.loglikelihood_rolling(requests[:1], disable_tqdm=True)
    assert whole == pytest.approx(score([([], tokens)])[0])


def test_a_model_that_needs_a_first_token() -> None:
    """An empty context is that token, which is not scored."""
    model = network()
    model.bos_id = 4
    lm = SchedoptLM(pretrained=model, planner="dus:4", length=4)
    bound = over_orders(model, [([4], [0, 1])])[0]
    assert scores(lm, ("", "ab"))[0][0] == pytest.approx(bound)
    assert lm.loglikelihood_rolling([asked("ab")], disable_tqdm=True)[0] == pytest.approx(bound)
    model.max_length = 6
    assert generate(lm, "abcdabcd") == generate(lm, "cd")


# Chats


def chat_lm(folder: Path, **about: object) -> Any:
    """A random network with the tokenizer of a folder."""
    tokenizer = write_fast(folder, **about)
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    model = random_network(vocab_size=size)
    model.tokenizer = read_tokenizer(folder, size, mask_id=size - 1)
    return SchedoptLM(pretrained=model, planner="dus:4", length=4)


def test_chats(tmp_path: Path) -> None:
    lm = chat_lm(tmp_path, chat_template=HEADERS)
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?"},
    ]
    start = "<|startoftext|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    asks = f"{start}<|start_header_id|>user<|end_header_id|>\n\n2 + 2?<|eot_id|>"
    answers = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert lm.apply_chat_template(history) == asks + answers
    begun = [*history, {"role": "assistant", "content": "It is "}]
    unfinished = lm.apply_chat_template(begun, add_generation_prompt=False)
    assert unfinished == f"{asks}{answers}It is"
    assert lm.chat_template(True) == HEADERS
    assert lm.tokenizer_name == "random"
    # What stands for one token in the template is one token of the model.
    assert lm.texts.encode("<|eot_id|>") == [lm.denoiser.vocab_size - 2]
    assert len(generate(lm, asks)) == 1


def test_chats_of_a_model_without_a_template(tmp_path: Path) -> None:
    for lm in (chat_lm(tmp_path), SchedoptLM(pretrained="tiny", device="cpu")):
        assert lm.chat_template(True) == ""
        with pytest.raises(UsageError, match="has no chat template"):
            lm.apply_chat_template([{"role": "user", "content": "Hello"}])


def test_a_template_that_leaves_the_answer_out(tmp_path: Path) -> None:
    lm = chat_lm(tmp_path, chat_template="{{ messages[0].content }}")
    begun = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bcd"}]
    assert lm.apply_chat_template(begun) == "a"
    with pytest.raises(InputError, match="the chat template leaves out 'bcd'"):
        lm.apply_chat_template(begun, add_generation_prompt=False)


def test_estimates_of_an_exact_law_through_lm_eval() -> None:
    """Letters drawn independently: a text's log-likelihood is the sum of those of its letters."""
    marginals = [0.5, 0.3, 0.2]
    table = np.einsum("i,j,k->ijk", marginals, marginals, marginals)
    law = LawDenoiser(table)
    law.tokenizer = Letters(3)
    lm = SchedoptLM(pretrained=law, planner="dus:3")
    for (value, greedy), text in zip(
        scores(lm, ("a", "bb"), ("", "aaa")), ("bb", "aaa"), strict=True
    ):
        assert value == pytest.approx(sum(math.log(marginals["ab ".index(t)]) for t in text))
        assert greedy is (set(text) == {"a"})
    assert torch.is_tensor(law.outcomes)
