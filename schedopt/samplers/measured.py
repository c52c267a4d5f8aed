"""Whether a schedule file is for the model that is to follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schedopt.errors import InputError
from schedopt.files import ScheduleFile


def measured_on(path: str, file: ScheduleFile, models: Sequence[Mapping[str, object]]) -> str:
    """Refuse a schedule of other tokens, and tell of one that was measured on another model.

    Args:
        path: The schedule's file.
        file: What is in it.
        models: Provenance of each model that is to follow it.

    Returns:
        What to warn of; empty where there is nothing, or where the file does not tell.

    Raises:
        InputError: The schedule's model has another mask token.

    Example:
        >>> from schedopt.sizes import dus_schedule
        >>> file = ScheduleFile(dus_schedule(8), provenance={"model": {"name": "llada"}})
        >>> measured_on("s.json", file, [{"name": "tiny", "mask_id": 257}])
        's.json was measured on llada, not on tiny: the loss that it predicts is not ...'
    """
    measured = file.provenance.get("model")
    if not isinstance(measured, Mapping):
        return ""
    mask_id, name = measured.get("mask_id"), measured.get("name")
    if mask_id is not None and mask_id != models[0]["mask_id"]:
        raise InputError(
            f"{path}: $.provenance.model.mask_id: the schedule was measured with mask token "
            f"{mask_id}, but the model has {models[0]['mask_id']}",
            hint="take the model that it was measured on" + ("" if name is None else f": {name}"),
        )
    digest = measured.get("weights_sha256")
    key, told = ("name", name) if digest is None else ("weights_sha256", digest)
    if told is None or told in [model.get(key) for model in models]:
        return ""
    return (
        f"{path} was measured on {name or 'another model'}, not on {models[0]['name']}: "
        "the loss that it predicts is not that of this model"
    )
