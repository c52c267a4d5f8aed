"""Named malformed files: each breaks one rule of a format, at a known place, by a known value."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

SCHEDULE = """{"format": "schedopt.schedule", "schema_version": 1,
 "schedule": {"length": 8, "order": {"name": "dilated", "base": 2}, "step_sizes": [2, 2, 4],
  "models": null, "blocks": [[2, 2, 4], [4, 4]]},
 "prediction": {"loss": 0.214, "stderr": 0.006, "unit": "nats", "per": "block",
  "assumes": "held-out text, exact order"},
 "provenance": {"schedopt_version": "0.1.0", "command": ["fit"], "seed": 7, "curve_sha256": "ab",
  "model": {"name": "tiny", "weights_sha256": "cd", "dtype": "float32", "device": "cpu",
   "mask_id": 256}, "data": {"name": "stdlib", "sha256": "ef", "documents": 12},
  "environment": {"torch": "2.4"}, "estimate": {"passes": 128, "seconds": 1.5, "fit": "smooth"}},
 "extensions": {"note": [1, {"a": null}]}}
"""
EXPLICIT = """{"format": "schedopt.schedule", "schema_version": 1,
 "schedule": {"length": 4, "order": {"name": "explicit", "permutation": [2, 0, 3, 1]},
  "step_sizes": [1, 3], "models": [0, 1]}, "provenance": {}, "extensions": {}}
"""
CURVE = """{"format": "schedopt.curve", "schema_version": 1,
 "curve": {"conditional_entropy": [0.75, 0.5, 0.25], "stderr": [0.01, 0.02, 0.03]},
 "provenance": {}, "extensions": {}}
"""
SURFACE = """{"format": "schedopt.surface", "schema_version": 1,
 "surface": {"order": {"name": "left_to_right"}, "rows": [[0.9, 0.8, 0.7], [0.6, 0.5], [0.4]],
  "stderr": [[0.1, 0.2, 0.3], [0.11, 0.12], [0.13]]}, "provenance": {}, "extensions": {}}
"""
GOOD = {"schedule": SCHEDULE, "explicit": EXPLICIT, "curve": CURVE, "surface": SURFACE}


class Malformed(NamedTuple):
    """A file that must be refused, where in it, and what the message must show."""

    data: bytes
    json_path: str
    value: str


def swap(text: str, old: str, new: str) -> bytes:
    """The text with one place changed; fails where the place is not unique."""
    before, after = text.split(old)
    return f"{before}{new}{after}".encode()


def _changed(text: str, old: str, new: str, json_path: str, value: str) -> Malformed:
    return Malformed(swap(text, old, new), json_path, value)


_schedule = partial(_changed, SCHEDULE)
_explicit = partial(_changed, EXPLICIT)
_curve = partial(_changed, CURVE)
_surface = partial(_changed, SURFACE)

BYTES_AND_JSON = {
    "empty file": Malformed(b"", "$", "the end"),
    "white space only": Malformed(b" \n\t", "$", "the end"),
    "null byte only": Malformed(b"\x00", "$", r"\x00"),
    "over 1 MiB": Malformed(CURVE.encode() + b" " * 2**20, "$", "1048576"),
    "byte order mark": Malformed(b"\xef\xbb\xbf" + CURVE.encode(), "$", "U+FEFF"),
    "UTF-16": Malformed(CURVE.encode("utf-16"), "$", "0xff"),
    "Latin-1": Malformed(b'{"extensions": {"\xe9": 1}}', "$", "0xe9"),
    "truncated": Malformed(SCHEDULE[:120].encode(), "$.schedule", "the end"),
    "truncated in a string": Malformed(b'{"format": "schedopt.cur', "$.format", "schedopt.cur"),
    "trailing garbage": Malformed(CURVE.encode() + b"x", "$", "'x'"),
    "two documents": Malformed(CURVE.encode() * 2, "$", '{"format'),
    "trailing comma": _curve(", 0.25]", ", 0.25,]", "$.curve.conditional_entropy[3]", "]"),
    "trailing comma in an object": Malformed(b'{"format": 1, }', "$", "}"),
    "missing comma": _curve("0.5, 0.25", "0.5 0.25", "$.curve.conditional_entropy[1]", "0.25"),
    "missing colon": _curve('"stderr":', '"stderr"', "$.curve", "[0.01"),
    "single quotes": Malformed(b"{'format': 'schedopt.curve'}", "$", "'format'"),
    "comment": Malformed(b"// curve\n" + CURVE.encode(), "$", "// curve"),
    "Python literals": _schedule("null,", "None,", "$.schedule.models", "None"),
    "leading zero": _schedule('"length": 8', '"length": 08', "$.schedule.length", "8"),
    "plus sign": _curve("0.75", "+0.75", "$.curve.conditional_entropy[0]", "+0.75"),
    "bare decimal point": _curve("0.75", ".75", "$.curve.conditional_entropy[0]", ".75"),
    "hexadecimal": _schedule('"length": 8', '"length": 0x8', "$.schedule.length", "x8"),
    "line break in a string": _schedule('"tiny"', '"ti\nny"', "$.provenance.model.name", r"\nny"),
    "unknown escape": _schedule('"tiny"', r'"\tiny\q"', "$.provenance.model.name", r"\q"),
    "100k brackets": Malformed(b"[" * 100_000 + b"]" * 100_000, "$", "[[["),
    "100k objects": Malformed(b'{"a":' * 100_000, "$", "64 levels"),
    "65 levels": _schedule(
        '{"a": null}', "[" * 62 + "]" * 62, "$.extensions.note[1]" + "[0]" * 61, "[]"
    ),
    "lone surrogate": _schedule('"tiny"', r'"\ud800"', "$.provenance.model.name", r"\ud800"),
    "lone surrogate in a key": _schedule(
        '"a": ', r'"\udfff": ', r'$.extensions.note[1]["\udfff"]', r"\udfff"
    ),
    "duplicate format": Malformed(b'{"format": 1, "format": 2}', "$.format", "got 1 and 2"),
    "duplicate key": _schedule(
        '"length": 8', '"length": 8, "length": 9', "$.schedule.length", "8 and 9"
    ),
    "the same key and value": _schedule(
        '"length": 8', '"length": 8, "length": 8', "$.schedule.length", "8 and 8"
    ),
    "duplicate key deep in extensions": _schedule(
        '"a": null', '"a": 1, "b": 2, "a": 3', "$.extensions.note[1].a", "1 and 3"
    ),
    "duplicate key by escape": _schedule(
        '"a": null', r'"a": 1, "\u0061": 3', "$.extensions.note[1].a", "1 and 3"
    ),
    "NaN": _curve("0.5,", "NaN,", "$.curve.conditional_entropy[1]", "NaN"),
    "Infinity": _curve("0.5,", "Infinity,", "$.curve.conditional_entropy[1]", "Infinity"),
    "-Infinity": _curve("0.5,", "-Infinity,", "$.curve.conditional_entropy[1]", "-Infinity"),
    "1e999": _curve("0.5,", "1e999,", "$.curve.conditional_entropy[1]", "1e999"),
    "-1e999": _schedule("0.214", "-1e999", "$.prediction.loss", "-1e999"),
    "just over float64": _schedule("0.214", "1.8e308", "$.prediction.loss", "1.8e308"),
    "NaN in extensions": _schedule("null}]", "NaN}]", "$.extensions.note[1].a", "NaN"),
    "integer of 65 bits": _schedule(
        '"seed": 7', '"seed": 9223372036854775808', "$.provenance.seed", "9223372036854775808"
    ),
    "integer of 5000 digits": _schedule(
        '"length": 8', f'"length": 8{"0" * 4999}', "$.schedule.length", "8000"
    ),
    "integer of 5000 digits in extensions": _schedule(
        "null}]", f"-{'1' * 5000}}}]", "$.extensions.note[1].a", "-1111"
    ),
}

HEAD = {
    "a list": Malformed(b"[]", "$", "[]"),
    "a string": Malformed(b'"schedopt.curve"', "$", "schedopt.curve"),
    "null": Malformed(b"null", "$", "null"),
    "empty object": Malformed(b"{}", "$.format", "[]"),
    "format missing": _curve('"format": "schedopt.curve", ', "", "$.format", "schema_version"),
    "format null": _curve('"schedopt.curve"', "null", "$.format", "null"),
    "format unknown": _curve('"schedopt.curve"', '"schedopt.Curve"', "$.format", "schedopt.Curve"),
    "format a list": _curve('"schedopt.curve"', '["schedopt.curve"]', "$.format", "["),
    "format an object": _curve('"schedopt.curve"', "{}", "$.format", "{}"),
    "format of another kind": _curve(
        '"schedopt.curve"', '"schedopt.surface"', "$.surface", "curve"
    ),
    "version missing": _curve(', "schema_version": 1', "", "$.schema_version", "format"),
    "version newer": _curve('_version": 1', '_version": 2', "$.schema_version", "got 2"),
    "version zero": _curve('_version": 1', '_version": 0', "$.schema_version", "got 0"),
    "version negative": _curve('_version": 1', '_version": -1', "$.schema_version", "got -1"),
    "version 1.0": _curve('_version": 1', '_version": 1.0', "$.schema_version", "got 1.0"),
    "version true": _curve('_version": 1', '_version": true', "$.schema_version", "got true"),
    "version a string": _curve('_version": 1', '_version": "1"', "$.schema_version", '"1"'),
    "version null": _curve('_version": 1', '_version": null', "$.schema_version", "null"),
    "newer with unknown keys": _curve(
        '_version": 1', '_version": 3, "x": 1', "$.schema_version", "got 3"
    ),
    "unknown key": _curve('"extensions"', '"x": 17, "extensions"', "$.x", "17"),
    "unknown key with a space": _curve('"extensions"', '"a b": 17, "extensions"', '$["a b"]', "17"),
    "key of other case": _curve('"extensions"', '"Extensions"', "$.Extensions", "{}"),
    "prediction of a curve": _curve(
        '"extensions"', '"prediction": 3, "extensions"', "$.prediction", "3"
    ),
    "extensions a list": _curve('"extensions": {}', '"extensions": []', "$.extensions", "[]"),
    "extensions false": _curve('"extensions": {}', '"extensions": false', "$.extensions", "false"),
    "extensions a string": _curve('"extensions": {}', '"extensions": ""', "$.extensions", '""'),
    "provenance a list": _curve('"provenance": {}', '"provenance": []', "$.provenance", "[]"),
    "provenance zero": _curve('"provenance": {}', '"provenance": 0', "$.provenance", "0"),
    "provenance unknown": _schedule('"seed": 7', '"sead": 7', "$.provenance.sead", "7"),
    "version not text": _schedule('"0.1.0"', "0.1", "$.provenance.schedopt_version", "0.1"),
    "command a string": _schedule('["fit"]', '"fit"', "$.provenance.command", '"fit"'),
    "command of numbers": _schedule('["fit"]', '["fit", 3]', "$.provenance.command[1]", "3"),
    "seed true": _schedule('"seed": 7', '"seed": true', "$.provenance.seed", "true"),
    "seed negative": _schedule('"seed": 7', '"seed": -7', "$.provenance.seed", "-7"),
    "model unknown key": _schedule('"dtype"', '"Dtype"', "$.provenance.model.Dtype", "float32"),
    "model a string": _schedule(
        '"environment": {"torch": "2.4"}', '"environment": "x"', "$.provenance.environment", '"x"'
    ),
    "mask id 1.0": _schedule("256}", "256.0}", "$.provenance.model.mask_id", "256.0"),
    "documents negative": _schedule("12}", "-1}", "$.provenance.data.documents", "-1"),
    "environment of numbers": _schedule('"2.4"', "2.4", "$.provenance.environment.torch", "2.4"),
    "estimate nested": _schedule("128", "[128]", "$.provenance.estimate.passes", "[128]"),
}

SCHEDULES = {
    "schedule missing": Malformed(
        b'{"format": "schedopt.schedule", "schema_version": 1}', "$.schedule", "format"
    ),
    "schedule null": Malformed(
        b'{"format": "schedopt.schedule", "schema_version": 1, "schedule": null}',
        "$.schedule",
        "null",
    ),
    "schedule unknown key": _schedule('"step_sizes"', '"sizes"', "$.schedule.step_sizes", "sizes"),
    "length missing": _schedule('"length": 8, ', "", "$.schedule.length", "order"),
    "length 8.0": _schedule('"length": 8', '"length": 8.0', "$.schedule.length", "8.0"),
    "length 1e1": _schedule('"length": 8', '"length": 1e1', "$.schedule.length", "10.0"),
    "length true": _schedule('"length": 8', '"length": true', "$.schedule.length", "true"),
    "length a string": _schedule('"length": 8', '"length": "8"', "$.schedule.length", '"8"'),
    "length null": _schedule('"length": 8', '"length": null', "$.schedule.length", "null"),
    "length zero": _schedule('"length": 8', '"length": 0', "$.schedule.length", "0"),
    "length negative": _schedule('"length": 8', '"length": -8', "$.schedule.length", "-8"),
    "length too large": _schedule(
        '"length": 8', '"length": 9223372036854775807', "$.schedule.length", "9223372036854775807"
    ),
    "length not the sum": _schedule(
        '"length": 8', '"length": 9', "$.schedule.step_sizes", "sum to 8"
    ),
    "sizes not the length": _explicit("[1, 3]", "[1, 2]", "$.schedule.step_sizes", "[1, 2]"),
    "sizes empty": _explicit("[1, 3]", "[]", "$.schedule.step_sizes", "[]"),
    "sizes null": _explicit("[1, 3]", "null", "$.schedule.step_sizes", "null"),
    "sizes an object": _explicit("[1, 3]", "{}", "$.schedule.step_sizes", "{}"),
    "sizes a number": _explicit("[1, 3]", "4", "$.schedule.step_sizes", "4"),
    "size zero": _explicit("[1, 3]", "[1, 0, 3]", "$.schedule.step_sizes[1]", "0"),
    "size negative": _explicit("[1, 3]", "[1, 4, -1]", "$.schedule.step_sizes[2]", "-1"),
    "size 1.0": _explicit("[1, 3]", "[1.0, 3]", "$.schedule.step_sizes[0]", "1.0"),
    "size true": _explicit("[1, 3]", "[true, 3]", "$.schedule.step_sizes[0]", "true"),
    "size a string": _explicit("[1, 3]", '[1, "3"]', "$.schedule.step_sizes[1]", '"3"'),
    "size null": _explicit("[1, 3]", "[1, 3, null]", "$.schedule.step_sizes[2]", "null"),
    "size a list": _explicit("[1, 3]", "[1, [3]]", "$.schedule.step_sizes[1]", "[3]"),
    "order missing": _explicit('"order"', '"Order"', "$.schedule.order", "Order"),
    "order a string": _schedule(
        '{"name": "dilated", "base": 2}', '"dilated"', "$.schedule.order", '"dilated"'
    ),
    "order null": _schedule('{"name": "dilated", "base": 2}', "null", "$.schedule.order", "null"),
    "order empty": _schedule('{"name": "dilated", "base": 2}', "{}", "$.schedule.order.name", "[]"),
    "order unknown": _schedule('"dilated"', '"spiral"', "$.schedule.order.name", "spiral"),
    "order name a number": _schedule('"dilated"', "2", "$.schedule.order.name", "2"),
    "order name a list": _schedule('"dilated"', "[]", "$.schedule.order.name", "[]"),
    "base missing": _schedule(', "base": 2', "", "$.schedule.order.base", "name"),
    "base null": _schedule('"base": 2', '"base": null', "$.schedule.order.base", "null"),
    "base one": _schedule('"base": 2', '"base": 1', "$.schedule.order.base", "1"),
    "base 2.0": _schedule('"base": 2', '"base": 2.0', "$.schedule.order.base", "2.0"),
    "base true": _schedule('"base": 2', '"base": true', "$.schedule.order.base", "true"),
    "skip zero": _schedule('"base": 2', '"base": 2, "skip": 0', "$.schedule.order.skip", "0"),
    "base of another order": _schedule('"dilated"', '"random"', "$.schedule.order.base", "2"),
    "permutation of another order": _explicit(
        '"explicit"', '"confidence"', "$.schedule.order.permutation", "[2, 0, 3, 1]"
    ),
    "permutation missing": _explicit(
        ', "permutation": [2, 0, 3, 1]', "", "$.schedule.order.permutation", "name"
    ),
    "permutation empty": _explicit("[2, 0, 3, 1]", "[]", "$.schedule.order.permutation", "[]"),
    "permutation repeats": _explicit(
        "[2, 0, 3, 1]", "[2, 0, 3, 3]", "$.schedule.order.permutation", "[2, 0, 3, 3]"
    ),
    "permutation from one": _explicit(
        "[2, 0, 3, 1]", "[1, 2, 3, 4]", "$.schedule.order.permutation", "[1, 2, 3, 4]"
    ),
    "permutation too short": _explicit(
        "[2, 0, 3, 1]", "[2, 0, 1]", "$.schedule.order.permutation", "[2, 0, 1]"
    ),
    "permutation negative": _explicit(
        "[2, 0, 3, 1]", "[2, 0, 3, -1]", "$.schedule.order.permutation[3]", "-1"
    ),
    "permutation false": _explicit(
        "[2, 0, 3, 1]", "[2, false, 3, 1]", "$.schedule.order.permutation[1]", "false"
    ),
    "models too few": _explicit("[0, 1]", "[0]", "$.schedule.models", "[0]"),
    "models negative": _explicit("[0, 1]", "[0, -1]", "$.schedule.models[1]", "-1"),
    "models 0.0": _explicit("[0, 1]", "[0.0, 1]", "$.schedule.models[0]", "0.0"),
    "models a number": _explicit("[0, 1]", "0", "$.schedule.models", "0"),
    "models with blocks": _schedule('"models": null', '"models": [0, 0, 0]', "$.schedule", "8"),
    "blocks empty": _schedule("[[2, 2, 4], [4, 4]]", "[]", "$.schedule.blocks", "[]"),
    "blocks flat": _schedule("[[2, 2, 4], [4, 4]]", "[4, 4]", "$.schedule.blocks[0]", "4"),
    "block empty": _schedule("[4, 4]]", "[]]", "$.schedule.blocks[1]", "[]"),
    "block not the length": _schedule("[4, 4]]", "[4, 3]]", "$.schedule.blocks[1]", "[4, 3]"),
    "block size true": _schedule("[4, 4]]", "[7, true]]", "$.schedule.blocks[1][1]", "true"),
    "prediction a number": _explicit(
        '"extensions"', '"prediction": 0, "extensions"', "$.prediction", "0"
    ),
    "prediction empty": _explicit(
        '"extensions"', '"prediction": {}, "extensions"', "$.prediction.loss", "[]"
    ),
    "prediction unknown key": _schedule('"assumes"', '"assumed"', "$.prediction.assumed", "held"),
    "loss missing": _schedule('"loss": 0.214, ', "", "$.prediction.loss", "stderr"),
    "loss null": _schedule("0.214", "null", "$.prediction.loss", "null"),
    "loss a string": _schedule("0.214", '"0.214"', "$.prediction.loss", '"0.214"'),
    "loss true": _schedule("0.214", "true", "$.prediction.loss", "true"),
    "stderr negative": _schedule("0.006", "-0.006", "$.prediction.stderr", "-0.006"),
    "unit bits": _schedule('"nats"', '"bits"', "$.prediction.unit", "bits"),
    "unit missing": _schedule('"unit": "nats", ', "", "$.prediction.unit", "loss"),
    "per unknown": _schedule('"block",', '"blocks",', "$.prediction.per", "blocks"),
    "assumes a list": _schedule('"held-out text, exact order"', "[]", "$.prediction.assumes", "[]"),
}

MEASURES = {
    "curve a list": _curve(
        '{"conditional_entropy": [0.75, 0.5, 0.25], "stderr": [0.01, 0.02, 0.03]}',
        "[0.75]",
        "$.curve",
        "[0.75]",
    ),
    "curve empty": _curve("[0.75, 0.5, 0.25]", "[]", "$.curve.conditional_entropy", "[]"),
    "curve null": _curve("[0.75, 0.5, 0.25]", "null", "$.curve.conditional_entropy", "null"),
    "curve nested": _curve("0.75,", "[0.75],", "$.curve.conditional_entropy[0]", "[0.75]"),
    "curve unknown key": _curve('"stderr"', '"std"', "$.curve.std", "0.01"),
    "entry negative": _curve("0.5,", "-0.5,", "$.curve.conditional_entropy[1]", "-0.5"),
    "entry beyond sums": _curve("0.5,", "1e308,", "$.curve.conditional_entropy[1]", "1e+308"),
    "entry true": _curve("0.5,", "true,", "$.curve.conditional_entropy[1]", "true"),
    "entry null": _curve("0.5,", "null,", "$.curve.conditional_entropy[1]", "null"),
    "entry a string": _curve("0.5,", '"0.5",', "$.curve.conditional_entropy[1]", '"0.5"'),
    "stderr too short": _curve("0.02, 0.03", "0.02", "$.curve.stderr", "(2,)"),
    "stderr empty": _curve("[0.01, 0.02, 0.03]", "[]", "$.curve.stderr", "[]"),
    "stderr of a curve negative": _curve("0.02", "-0.02", "$.curve.stderr[1]", "-0.02"),
    "stderr a number": _curve("[0.01, 0.02, 0.03]", "0.01", "$.curve.stderr", "0.01"),
    "surface of a random order": _surface(
        '"left_to_right"', '"random"', "$.surface.order.name", "random"
    ),
    "surface of a planner": _surface(
        '"left_to_right"', '"margin"', "$.surface.order.name", "margin"
    ),
    "surface order of another length": _surface(
        '"left_to_right"',
        '"explicit", "permutation": [1, 0]',
        "$.surface.order.permutation",
        "[1, 0]",
    ),
    "rows empty": _surface("[[0.9, 0.8, 0.7], [0.6, 0.5], [0.4]]", "[]", "$.surface.rows", "[]"),
    "rows flat": _surface(
        "[[0.9, 0.8, 0.7], [0.6, 0.5], [0.4]]", "[0.9]", "$.surface.rows[0]", "0.9"
    ),
    "row too long": _surface("[0.6, 0.5]", "[0, 0.6, 0.5]", "$.surface.rows[1]", "[0, 0.6, 0.5]"),
    "row missing": _surface(", [0.4]", "", "$.surface.rows[0]", "[0.9, 0.8, 0.7]"),
    "row empty": _surface("[0.4]", "[]", "$.surface.rows[2]", "[]"),
    "row null": _surface("[0.4]", "null", "$.surface.rows[2]", "null"),
    "cell negative": _surface("0.5]", "-0.5]", "$.surface.rows[1][1]", "-0.5"),
    "cell a string": _surface("0.4", '"0.4"', "$.surface.rows[2][0]", '"0.4"'),
    "stderr of fewer rows": _surface(
        "[[0.1, 0.2, 0.3], [0.11, 0.12], [0.13]]",
        "[[0.1, 0.2], [0.3]]",
        "$.surface.stderr",
        "(2, 2)",
    ),
    "stderr not a triangle": _surface("[0.13]", "[]", "$.surface.stderr[2]", "[]"),
    "stderr cell negative": _surface("0.13", "-0.13", "$.surface.stderr[2][0]", "-0.13"),
    "rows missing": _surface('"rows"', '"row"', "$.surface.rows", "row"),
}

CORPUS = {**BYTES_AND_JSON, **HEAD, **SCHEDULES, **MEASURES}
