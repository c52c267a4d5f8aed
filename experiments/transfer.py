"""Transfer: sizes fitted on one corpus or model, used on another.

    python experiments/transfer.py                                           # 6 minutes, one core
    python experiments/transfer.py --model build/models/base build/models/light tiny tiny-light \\
        build/models/bpe --device cuda --batch 512 --passes 16384 --splits 4

The first model is measured on three corpora, the others on the first: the bundled held-out files
of Python's standard library; numpy's sources, code of others in the same language; and English
prose, the paragraphs of scipy's docstrings that are hardly anything but words. No model was
trained on the last two; they are read from the installed packages, whose versions are recorded.

Documents are split in two halves, several times. Sizes chosen on one half are used on the other,
of any source, whose own smooth estimate says what they lose over its own least loss. So the
diagonal is what estimation alone costs; ``over_native`` compares with sizes that were chosen on
the source itself. Standard errors are over halves. Sizes go to another length by their share of it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import parse_study, study_parser, write_result
from numpy.typing import NDArray

from schedopt.clusters import Measured, mean_over_documents
from schedopt.data import Corpus, Windows, cut_windows, read_corpus
from schedopt.estimators import estimate
from schedopt.models import load_model
from schedopt.schedule import Order
from schedopt.solvers import loss_of, losses, solve

LENGTH, CONTEXT = 128, 128
BUDGETS = (8, 16, 32)
ORDERS = (Order("random"), Order("dilated", base=2))
FILES, LEAST, MOST = 120, 512, 8192  # of a package: how many, and characters of each
WORDS = 0.96  # share of letters and blanks from which a paragraph is prose
TRIAL = "a trial before this repository: a light sibling's curve costs 1.5-3 %, a tiny one's 5-9 %"

Floats = NDArray[np.float64]
Sizes = tuple[int, ...]


# ---------------------------------------------------------------- corpora


def source_of(text: str) -> str:
    """A file as it is."""
    return text


def prose_of(text: str) -> str:
    """The paragraphs of a file's docstrings that are prose."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                body = inspect.cleandoc(paragraph)
                plain = sum(c.isalpha() or c in " \n,." for c in body)
                if len(body) >= 160 and body.isascii() and plain >= WORDS * len(body):
                    found[body] = None  # once, though several docstrings may have it
    return "\n\n".join(found)


def package_corpus(package: str, name: str, text_of: Callable[[str], str]) -> Corpus:
    """Texts from the files of an installed package, without its tests, by the hash of their names.

    Args:
        package: To import.
        name: Of the corpus.
        text_of: What to take of a file.
    """
    module = importlib.import_module(package)
    root = Path(module.__path__[0])
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    texts = []
    for relative in sorted(files, key=lambda one: hashlib.sha256(one.encode()).digest()):
        if "tests/" not in relative and len(texts) < FILES:
            text = text_of(files[relative].read_text(encoding="utf-8"))[:MOST]
            texts += [text] if len(text) >= LEAST else []
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    label = f"{name} ({package} {module.__version__})"
    return Corpus(label, digest, tuple(texts), tuple(range(len(texts))))


def corpora() -> dict[str, Corpus]:
    """What schedules are fitted on and used on."""
    return {
        "stdlib": read_corpus(),
        "numpy": package_corpus("numpy", "code", source_of),
        "prose": package_corpus("scipy", "prose of docstrings", prose_of),
    }


# ---------------------------------------------------------------- schedules


@dataclass(frozen=True)
class Source:
    """What a schedule is fitted to: a model on a corpus.

    Args:
        name: For people.
        model: The denoiser.
        windows: The text, in this model's tokens.
        documents: How many the corpus has, in whatever tokens.
    """

    name: str
    model: Any
    windows: Windows
    documents: int

    def halves(self, seed: int) -> tuple[Windows, Windows]:
        """Windows of the two halves of the documents, the same ones for every model."""
        shuffled = np.random.default_rng(seed).permutation(self.documents)
        first = np.isin(self.windows.documents, shuffled[: self.documents // 2])
        return self.windows.take(np.flatnonzero(first)), self.windows.take(np.flatnonzero(~first))


def sources(args: Any, texts: dict[str, Corpus]) -> Iterator[Source]:
    """The first model on every corpus, the others on the first corpus."""
    for index, name in enumerate(args.model):
        model = load_model(name, device=args.device)
        room = model.max_length or LENGTH + CONTEXT
        length = min(LENGTH, room // 2)
        for corpus, text in texts.items():
            if index and corpus != "stdlib":
                continue
            windows = cut_windows(text, model.tokenizer, context=length, length=length)
            label = Path(name).name if corpus == "stdlib" else f"{Path(name).name}, {corpus}"
            documents = max(text.documents) + 1
            yield Source(label, model, windows.at_most(args.windows or len(windows)), documents)


def stretched(sizes: Sequence[int], length: int) -> Sizes:
    """Sizes for another length: boundaries keep their share of it, each step at least one.

    Example:
        >>> stretched((1, 3, 4), 16), stretched((1, 1, 6), 4)
        ((2, 6, 8), (1, 1, 2))
    """
    ends = np.cumsum(sizes)
    steps = len(ends)
    wanted = np.rint(ends * length / ends[-1]).astype(int)
    index = np.arange(1, steps + 1)
    ends = np.maximum.accumulate(np.maximum(wanted, index) - index) + index
    ends = np.minimum(ends, length - steps + index)
    return tuple(int(size) for size in np.diff(ends, prepend=0))


def relative(values: Floats, base: Floats, groups: NDArray[np.int64]) -> Measured:
    """Ratio of two means less one, with its standard error over groups of both.

    A ratio of means, as single losses of many steps are next to nothing.
    """
    found = float(values.mean() / base.mean())
    error = mean_over_documents((values - found * base) / base.mean(), groups).stderr
    return Measured(found - 1.0, error)


def cross_table(
    fitted: dict[str, list[Any]], names: Sequence[str], order: Order
) -> list[dict[str, Any]]:
    """Regret of each source's sizes on each source, a row a pair and number of steps.

    Args:
        fitted: Measures of each source, those of the two halves of each split after one another.
        names: Of the sources.
        order: Of all of them.
    """
    rows = []
    for k in BUDGETS:
        sizes = {
            name: [solve(measure, steps=k).schedule.step_sizes for measure in fitted[name]]
            for name in names
        }
        for used in names:
            least = np.array([float(losses(measure, k)[k - 1]) for measure in fitted[used]])
            replicates = np.arange(len(least))
            loss = {
                name: np.array(
                    [
                        # The sizes of one half by the measure of the other.
                        loss_of(measure, stretched(sizes[name][i ^ 1], measure.length))
                        for i, measure in enumerate(fitted[used])
                    ]
                )
                for name in names
            }
            for name in names:
                regret = relative(loss[name], least, replicates)
                more = relative(loss[name], loss[used], replicates)
                rows.append(
                    {
                        "order": order.name,
                        "steps": k,
                        "fitted_on": name,
                        "used_on": used,
                        "least_loss": float(least.mean()),
                        "regret": regret.value,
                        "stderr": regret.stderr,
                        "over_native": more.value,
                        "over_native_stderr": more.stderr,
                    }
                )
    return rows


def main() -> None:
    parser = study_parser(__doc__, several=True, model=["tiny", "tiny-light"], passes=1024)
    parser.add_argument("--splits", type=int, default=2, help="of the documents into halves")
    args = parse_study(parser)
    started = time.monotonic()
    texts = corpora()
    measured = list(sources(args, texts))
    rows: list[dict[str, Any]] = []
    for order in ORDERS:
        fitted: dict[str, list[Any]] = {source.name: [] for source in measured}
        for source in measured:
            for split in range(args.splits):
                for half, windows in enumerate(source.halves(args.seed + split)):
                    fitted[source.name].append(
                        estimate(
                            source.model,
                            windows,
                            order=order,
                            passes=args.passes,
                            seed=2 * (args.seed + split) + half,
                            batch=args.batch,
                        ).measure
                    )
            print(f"{time.monotonic() - started:5.0f} s {order.name} {source.name}", flush=True)
        rows += cross_table(fitted, list(fitted), order)
    write_result(
        f"transfer_{args.name}",
        {
            "about": __doc__,
            "models": {source.name: source.model.provenance for source in measured},
            "corpora": {
                name: {
                    "name": text.name,
                    "sha256": text.sha256,
                    "documents": max(text.documents) + 1,
                }
                for name, text in texts.items()
            },
            "sources": {
                source.name: {"length": source.windows.length, "windows": len(source.windows)}
                for source in measured
            },
            "passes_per_estimate": args.passes,
            "replicates": 2 * args.splits,
            "trial": TRIAL,
            "rows": rows,
        },
        started,
    )


if __name__ == "__main__":
    main()
