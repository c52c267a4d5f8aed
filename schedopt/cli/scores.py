"""An evaluation as the lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from schedopt.cli.output import nats, table

Row = Mapping[str, Any]

# Columns that have a standard error beside them, by the kind of judgement.
MEASURED: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("nll", "difference", "excess", "predicted_excess"),
    "judge": ("nll", "difference", "excess", "predicted_excess"),
    "task": ("accuracy", "token_accuracy", "difference"),
    "law": ("kl", "difference", "output_law_kl"),
}
JUDGED: Final = ("judge_nll", "difference", "perplexity", "token_entropy")
METRICS: Final = ("nll", "accuracy", "kl", "judge_nll")
LOSSES: Final = (*METRICS, "perplexity")  # where they are null they are infinite


def lines_of(result: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of an evaluation sees without ``--json``."""
    kind = result["judgement"]
    rows = result["rows"]
    yield _head(result)
    yield from _table(rows, [key for key in MEASURED[kind] if any(key in row for row in rows)])
    judged = [row["judged"] for row in rows if "judged" in row]
    if judged:
        yield ""
        yield f"{result['samples']} samples of each, read by {result['judge']}; nats"
        keys = [key for key in JUDGED if any(key in row for row in judged)]
        yield from _table(judged, [*keys, *(f"distinct_{n}" for n in (1, 2, 3))])
    yield from _areas(result.get("aup", ()))
    if any(row["pareto_close"] for row in [*rows, *judged]):
        yield ""
        yield "front: none is better for as little; ? where 2 standard errors may turn that over"
    for metric in METRICS:
        yield from _matches(metric, [row for row in result["matches"] if metric in row])


def _head(result: Mapping[str, Any]) -> str:
    kind = result["judgement"]
    if kind == "law":
        return f"{result['law']}: {result['length']} positions; KL, {result['unit']}"
    if kind == "task":
        return (
            f"{result['count']} instances of {result['task']}: {result['length']} positions "
            f"after {result['context']} known ones; temperature {result['temperature']:g}"
        )
    return (
        f"{result['windows']} windows of {result['documents']} documents: {result['length']} "
        f"positions after {'up to ' if result['ragged'] else ''}{result['context']} known ones; "
        "nats per token"
    )


def _table(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    several = any(len(row["nfe_by_model"]) > 1 for row in rows)
    header = ["sampler", "block", "passes", *(key.replace("_", " ") for key in keys), "front"]
    if several:
        header[3:3] = ["by model", "GFLOPs"]
    return table(
        header,
        [
            [
                row["sampler"],
                str(row["block_length"]),
                f"{row['nfe']:.4g}",
                *(_by_model(row) if several else []),
                *(_measured(row, key) for key in keys),
                _standing(row),
            ]
            for row in sorted(rows, key=lambda row: row["nfe"])
        ],
    )


def _by_model(row: Row) -> list[str]:
    by_model = "+".join(f"{nfe:.4g}" for nfe in row["nfe_by_model"])
    return [by_model, "" if row["flops"] is None else f"{row['flops'] / 1e9:.4g}"]


def _measured(row: Row, key: str) -> str:
    value = row.get(key)
    if value is None:
        return "inf" if key in LOSSES else ""
    stderr = row.get("stderr" if key in METRICS else f"{key}_stderr")
    return nats(value) if not stderr else f"{nats(value)} ± {nats(stderr)}"


def _standing(row: Row) -> str:
    """Whether it is on the front; with a question mark where that is within 2 standard errors."""
    return ("yes" if row["pareto"] else "no") + ("?" if row["pareto_close"] else "")


def _areas(areas: Sequence[Row]) -> Iterator[str]:
    if not areas:
        return
    yield ""
    yield f"AUP, tokens per pass times per cent; best accuracy {areas[0]['best']:.4g} %"
    rows = [
        [row["sampler"], str(row["points"]), f"{row['aup']:.1f} ± {row['stderr']:.1f}"]
        for row in areas
    ]
    yield from table(["sampler", "points", "AUP"], rows)


def _matches(metric: str, matches: Sequence[Row]) -> Iterator[str]:
    if not matches:
        return
    cost = "nfe" if "nfe" in matches[0] else "flops"
    what = "passes" if cost == "nfe" else "operations"
    names = {"nll": "NLL", "kl": "KL", "judge_nll": "judge's NLL"}
    yield ""
    yield f"{what} that a planner needs for the {names.get(metric, metric)} of a schedule"
    rows = []
    for row in matches:
        needed, (low, high) = row[f"baseline_{cost}"], row[f"baseline_{cost}_range"]
        if needed is None:
            needs, ratio = f"> {high:.4g}", ""
        else:
            mark = "<= " if needed <= low else ""
            error = row[f"{cost}_ratio_stderr"]
            needs = f"{mark}{needed:.4g}"
            ratio = f"{mark}{row[f'{cost}_ratio']:.2f}" + (f" ± {error:.2f}" if error else "")
        rows.append([row["sampler"], f"{row[cost]:.4g}", row["baseline"], needs, ratio])
        rows[-1] += _varieties(row)
    header = ["schedule", what, "planner", "needs", "ratio", "entropy", "planner's entropy"]
    yield from table(header[: len(rows[0])], rows)


def _varieties(row: Row) -> list[str]:
    """Token entropies, which stand beside whatever a judge says."""
    if "token_entropy" not in row:
        return []
    low, high = row["baseline_token_entropy_range"]
    return [nats(row["token_entropy"]), f"{nats(low)} to {nats(high)}"]
