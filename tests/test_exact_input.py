"""Tables from .npy files: whole ones are read, all others refused with exit code 3."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import strategies
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import ArrayLike

from schedopt.errors import InputError, MissingInputError
from schedopt.exact import exact_report, read_table

FAIR = np.full((2, 2, 2), 0.125)


def saved(path: Path, array: ArrayLike, **options: bool) -> Path:
    np.save(path, array, **options)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.npy"


@pytest.mark.parametrize(
    "array",
    [
        FAIR,
        np.asfortranarray(strategies.random_table(3, 4, seed=0)),
        strategies.random_table(2, 5, seed=0).astype(">f8"),
        np.array([[0, 1], [0, 0]]),
        np.array([0.25, 0.75], dtype=np.float16),
    ],
)
def test_a_table_is_read_as_it_was_saved(path: Path, array: strategies.Floats) -> None:
    found = read_table(saved(path, array))
    assert found.dtype == np.float64
    assert_allclose(found, array, rtol=1e-15)
    path.unlink()  # nothing holds the file
    assert exact_report(found)["length"] == array.ndim


def test_a_path_may_be_a_string(path: Path) -> None:
    assert_array_equal(read_table(str(saved(path, FAIR))), FAIR)


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"cannot read .*p\.npy: No such file") as caught:
        read_table(path)
    assert caught.value.exit_code == 3


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="Is a directory"):
        read_table(tmp_path)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the pickle was executed",))


def write_npz(path: Path) -> None:
    with path.open("wb") as handle:
        np.savez(handle, p=FAIR)


def write_header(path: Path, header: str) -> None:
    text = header.encode("latin1")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))


def shaped(shape: str, descr: str = "'<f8'") -> Callable[[Path], None]:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"
    return lambda path: write_header(path, header)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "EOF"),
    "text": (lambda p: p.write_text("0.5 0.5\n"), "magic string"),
    "npz": (write_npz, "magic string"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps(Bomb())), "magic string"),
    "objects": (
        lambda p: saved(p, np.array([Bomb(), 1], dtype=object), allow_pickle=True),
        "Python objects",
    ),
    "cut short": (
        lambda p: (saved(p, FAIR), p.write_bytes(p.read_bytes()[:-8])),
        "mmap length is greater than file size",
    ),
    "strings": (lambda p: saved(p, np.array(["a"])), "real numbers, got dtype <U1"),
    "complex": (lambda p: saved(p, np.array([1j])), "real numbers, got dtype complex128"),
    "records": (lambda p: saved(p, np.zeros(2, dtype=[("p", "f8")])), "real numbers"),
    "times": (lambda p: saved(p, np.zeros(2, dtype="M8[s]")), "real numbers"),
    "scalar": (lambda p: saved(p, np.float64(1.0)), r"equal axes, got \(\)"),
    "no symbols": (lambda p: saved(p, np.zeros((0, 0))), "q >= 1"),
    "unequal axes": (lambda p: saved(p, np.ones((2, 3)) / 6), r"equal axes, got \(2, 3\)"),
    "NaN": (lambda p: saved(p, [0.5, np.nan]), r"entry \[1\]: need a probability, got nan"),
    "negative": (lambda p: saved(p, [1.5, -0.5]), r"entry \[1\]: .* got -0.5"),
    "infinite": (lambda p: saved(p, [0.5, np.inf]), r"entry \[1\]: .* got inf"),
    "other sum": (lambda p: saved(p, FAIR * 2), "sums to 2.0, need 1"),
    "huge axes": (shaped("(9223372036854775807, 9223372036854775807)"), "too big"),
    "endless axis": (shaped(f"({10**30},)"), "too large"),
    "negative axis": (shaped("(-2, -2)"), "negative dimensions"),
    "axes that are truths": (shaped("(True, True)"), "no joint table"),
    "seventy axes": (shaped(repr((1,) * 70)), "no joint table"),
    "no dtype": (shaped("(2,)", descr="'<x9'"), "no joint table"),
    "unbalanced header": (lambda p: write_header(p, "(" * 9000), "no joint table"),
    "deep header": (shaped("-" * 9000 + "1"), "no joint table"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_table_is_refused(path: Path, fault: str) -> None:
    write, message = REFUSED[fault]
    write(path)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(str(path))


def test_a_large_table_is_refused_by_its_header(path: Path) -> None:
    # 32 GiB by its header, a sparse file on disk: refused before anything is allocated.
    shaped("(4294967296,)")(path)
    with path.open("r+b") as handle:
        handle.truncate(2**35 + 2**10)
    with pytest.raises(InputError, match=r"4294967296\^1 entries, over the limit"):
        read_table(path)


def test_damaged_files_are_read_or_refused(path: Path) -> None:
    good = saved(path, FAIR).read_bytes()
    rng = random.Random(0)
    read = 0
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(130)
            if rng.random() < 0.5:
                data[at : at + 1] = rng.randbytes(1)
            else:
                data[at : at + rng.randrange(5)] = bytes(rng.choices(b"0123456789(){}',:-<f ", k=3))
        path.write_bytes(data)
        try:
            table = read_table(path)
        except InputError:
            continue
        read += 1
        assert table.sum() == pytest.approx(1.0)
    assert 0 < read < 100
