"""What a consumer takes for granted is refused or told by name where it does not hold."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from strategies import unmasking_schedules

from schedopt.curve import InformationCurve
from schedopt.errors import FormatError, MissingInputError, UsageError
from schedopt.exporters import TARGETS, Options, check, export
from schedopt.exporters.assumptions import SHIFT_OF_MASK, Assumptions, checked, shift_of
from schedopt.files import CurveFile, Prediction, ScheduleFile, write
from schedopt.models.families import FAMILIES
from schedopt.schedule import FIXED_ORDERS, ORDER_NAMES, PLANNERS, Order, UnmaskingSchedule

OURS = ("llada", "dream", "dllm", "dus")


def schedule(order: str, **fields: Any) -> UnmaskingSchedule:
    permutation = (3, 1, 0, 2) if order == "explicit" else None
    return UnmaskingSchedule(4, Order(order, permutation=permutation), (1, 3), **fields)


def file(order: str, *, mask_id: int | None = None, **fields: Any) -> ScheduleFile:
    model = {} if mask_id is None else {"model": {"name": "a/model", "mask_id": mask_id}}
    return ScheduleFile(schedule(order, **fields), Prediction(0.25), provenance=model)


def told(target: str, given: ScheduleFile, **options: Any) -> list[str]:
    """What the sentences are about; "refused", and what about, where there is an error."""
    try:
        _, sentences = export(given, TARGETS[target], Options(**options))
    except UsageError as error:
        return ["refused" if error.hint else "no cure", str(error).split(":")[0]]
    return [sentence.split(":")[0] for sentence in sentences]


@pytest.mark.parametrize("order", ORDER_NAMES)
def test_orders(order: str) -> None:
    followed = {
        "llada": {"confidence": [], "random": ["order"]},
        "dllm": {"confidence": [], "random": ["order"]},
        "dream": {name: [] for name in ORDER_NAMES},
        "dus": {name: [] for name in FIXED_ORDERS},
    }
    for target in OURS:
        assert told(target, file(order)) == followed[target].get(order, ["refused", "order"])


@pytest.mark.parametrize("order", ORDER_NAMES)
@pytest.mark.parametrize("target", ["llada", "dllm"])
def test_sizes_only(order: str, target: str) -> None:
    expected = [] if order == "confidence" else ["order"]
    assert told(target, file(order), sizes_only=True) == expected


def test_sizes_only_reveals_the_surest_positions_whatever_the_order() -> None:
    for target in ("llada", "dllm"):
        artefact, _ = export(file("random"), TARGETS[target], Options(sizes_only=True))
        assert artefact.settings["remasking"] == "low_confidence"
        artefact, _ = export(file("random"), TARGETS[target])
        assert artefact.settings["remasking"] == "random"


def test_a_prediction_that_no_longer_holds_is_named() -> None:
    (sentence,) = check(file("dilated"), TARGETS["llada"].needs, Options(sizes_only=True))
    assert sentence == (
        "order: dilated in the schedule, but LLaDA's loop reveals the surest positions; its "
        "predicted loss of 0.25 nats is that of the order dilated and does not hold"
    )
    unpredicted = ScheduleFile(schedule("dilated"))
    (sentence,) = check(unpredicted, TARGETS["llada"].needs, Options(sizes_only=True))
    assert sentence.endswith("; a predicted loss would be that of the order dilated")


def test_a_random_order_is_drawn_for_dus_with_a_seed() -> None:
    (sentence,) = check(file("random"), TARGETS["dus"].needs, Options(seed=5))
    assert "drawn once with seed 5" in sentence
    assert "0.25 nats is the mean over such draws" in sentence


def test_a_seed_without_an_order_to_draw() -> None:
    for schedule_file, options, message in (
        (file("dilated"), Options(seed=5), "--seed draws a random one, this one is dilated"),
        (file("random"), Options(seed=5, sizes_only=True), "--sizes-only gives the order up"),
    ):
        with pytest.raises(UsageError, match=message):
            check(schedule_file, TARGETS["sglang"].needs, options)


def test_sizes_of_a_random_order_need_no_seed() -> None:
    assert told("sglang", file("random"), sizes_only=True)[-1] == "order"


@pytest.mark.parametrize("target", OURS)
def test_several_models_are_refused(target: str) -> None:
    assert told(target, file("dilated", models=(0, 1))) == ["refused", "models"]


def test_one_model_that_is_not_the_first_is_named() -> None:
    assert told("dream", file("dilated", models=(1, 1))) == ["models"]
    assert told("dream", file("dilated", models=(0, 0))) == []


def test_blocks() -> None:
    own, same = ((4,), (1, 3)), ((1, 3), (1, 3))
    assert told("llada", file("confidence", blocks=own)) == ["blocks"]
    assert told("llada", file("confidence", blocks=((3, 1), (1, 3)))) == []
    assert told("dream", file("confidence", blocks=own)) == []
    assert told("dllm", file("confidence", blocks=own)) == ["refused", "blocks"]
    assert told("dus", file("dilated", blocks=own)) == ["refused", "blocks"]
    for target in OURS:
        order = "dilated" if target == "dus" else "confidence"
        assert told(target, file(order, blocks=same)) == []


def test_lengths() -> None:
    for target in ("llada", "dream", "dus"):
        order = "dilated" if target == "dus" else "confidence"
        assert told(target, file(order), gen_length=8) == []
        assert told(target, file(order), gen_length=7) == ["refused", "block length"]
    assert told("dllm", file("confidence"), gen_length=7) == ["block length"]
    with pytest.raises(UsageError, match="7 positions are no whole number") as caught:
        check(file("confidence"), TARGETS["llada"].needs, Options(gen_length=7))
    assert caught.value.hint == "--gen-length 8"


def test_shifts() -> None:
    llada, dream, unknown = 126336, 151666, 77
    for target, of_llada, of_dream, of_unknown in (
        ("llada", [], ["refused", "shift"], ["shift"]),
        ("dus", [], ["refused", "shift"], ["shift"]),
        ("dream", ["shift"], [], ["shift"]),
        ("dllm", [], ["shift"], []),
    ):
        order = "dilated" if target == "dus" else "confidence"
        assert told(target, file(order, mask_id=llada)) == of_llada
        assert told(target, file(order, mask_id=dream)) == of_dream
        assert told(target, file(order, mask_id=unknown)) == of_unknown
    artefact, _ = export(file("confidence", mask_id=dream), TARGETS["dllm"])
    assert artefact.settings["right_shift_logits"] is True


def test_bundled_models_are_known() -> None:
    assert shift_of({"name": "tiny", "mask_id": 256}) == 0
    assert shift_of({}) is None


def test_mask_tokens_are_those_of_the_families() -> None:
    fixed = {family.mask_id for family in FAMILIES.values() if (family.mask_id or 0) > 100}
    assert fixed <= SHIFT_OF_MASK.keys()
    assert {SHIFT_OF_MASK[mask] for mask in fixed if mask is not None} == {0}


def test_an_option_that_a_target_does_not_take() -> None:
    for target, options in (("dream", {"sizes_only": True}), ("llada", {"seed": 0})):
        with pytest.raises(UsageError, match=f"is no option of the target {target}"):
            export(file("confidence"), TARGETS[target], Options(**options))


@given(unmasking_schedules(max_n=6))
@settings(max_examples=60)
def test_every_schedule_is_refused_or_exported(given: UnmaskingSchedule) -> None:
    for target in OURS:
        try:
            artefact, _ = export(ScheduleFile(given), TARGETS[target])
        except UsageError:
            continue
        assert list(artefact.files) == [f"{target}.json"]
        if given.order.name in PLANNERS and given.order.name != "confidence":
            assert target == "dream"


def test_sources(tmp_path: Path) -> None:
    needs, options = Assumptions(consumer="a loop", orders={"dilated": ""}), Options()
    path = tmp_path / "schedule.json"
    write(path, file("dilated"))
    for source in (path, str(path), file("dilated"), schedule("dilated")):
        assert checked(source, needs, options).schedule == schedule("dilated")
    with pytest.raises(MissingInputError, match="cannot read"):
        checked(tmp_path / "absent.json", needs, options)
    write(path, CurveFile(InformationCurve([1.0, 0.5])))
    with pytest.raises(FormatError, match=r"\$\.format: need schedopt\.schedule"):
        checked(path, needs, options)


def test_sentences_become_warnings_at_the_callers_line() -> None:
    from schedopt.exporters.dus import REPLACED, install, unmask_levels
    from schedopt.exporters.llada import transfer_table

    module = ModuleType("generate")
    vars(module).update(dict.fromkeys(REPLACED))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transfer_table(schedule("random"))
        unmask_levels(schedule("random"), seed=0)
        install(module, schedule("random"), seed=0)
    assert [warning.filename for warning in caught] == [__file__] * 3
