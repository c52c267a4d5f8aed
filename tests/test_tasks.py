"""Tasks: checkers against enumeration, answers of the stated law, prompts that are set apart."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations, product

import numpy as np
import pytest
import strategies  # noqa: F401  (loads the profile)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from schedopt.errors import UsageError
from schedopt.tasks import MASK, TASKS, Task, is_held_out, make_task
from schedopt.tasks.squares import BLANK, latin_squares, sudoku_grids
from schedopt.tasks.walks import EDGES, NODES

Integers = NDArray[np.int64]

ALPHA = 1e-6  # false-alarm rate of each statistical test here

# Least and most size of each task.
SIZES = {
    "copy": (2, 26),
    "reverse": (2, 26),
    "sort": (2, 26),
    "insert": (2, 26),
    "shuffle": (2, 26),
    "addition": (2, 64),
    "latin": (2, 5),
    "sudoku": (2, 14),
    "walk": (1, 64),
}


def spellings() -> st.SearchStrategy[str]:
    """Every task in every size that it comes in."""
    return st.sampled_from(sorted(SIZES)).flatmap(
        lambda name: st.integers(*SIZES[name]).map(lambda size: f"{name}:{size}")
    )


def right_answers(task: Task, prompt: Integers, symbols: int) -> set[tuple[int, ...]]:
    """Every response of tokens 0..symbols-1 that the checker takes."""
    responses = np.array(list(product(range(symbols), repeat=task.response_length)))
    prompts = np.broadcast_to(prompt, (len(responses), len(prompt)))
    return {tuple(r) for r in responses[task.correct(prompts, responses)].tolist()}


def uniform_p_value(outcomes: Integers, support: set[tuple[int, ...]]) -> float:
    """p-value of the chi-square test that rows are uniform on the support, which holds them all."""
    counts = Counter(map(tuple, outcomes.tolist()))
    assert counts.keys() <= support
    return float(chisquare([counts[outcome] for outcome in support]).pvalue)


def answers_to(task: Task, prompt: Integers, count: int) -> Integers:
    """Answers that the generator gives to this prompt."""
    drawn = task.instances(count, seed=5, held_out=bool(is_held_out(prompt[None])[0]))
    return drawn.answers[(drawn.prompts == prompt).all(axis=1)]


# ---------------------------------------------------------------- every task


@settings(max_examples=40)
@given(spellings(), st.integers(0, 2**32), st.booleans())
def test_answers_are_right(spelling: str, seed: int, held_out: bool) -> None:
    task = make_task(spelling)
    drawn = task.instances(5, seed, held_out=held_out)
    assert task.name == spelling
    assert drawn.prompts.shape == (5, task.prompt_length)
    assert drawn.answers.shape == (5, task.response_length)
    assert drawn.prompts.dtype == drawn.answers.dtype == np.int64
    assert len(drawn) == 5
    assert task.correct(drawn.prompts, drawn.answers).all()
    for tokens in (drawn.prompts, drawn.answers):
        assert tokens.min() >= 0
        assert tokens.max() < task.mask_id
    again = task.instances(5, seed, held_out=held_out)
    assert (again.prompts == drawn.prompts).all()
    assert (again.answers == drawn.answers).all()


@settings(max_examples=30)
@given(spellings(), st.data())
def test_a_mask_or_a_foreign_token_is_never_right(spelling: str, data: st.DataObject) -> None:
    task = make_task(spelling)
    drawn = task.instances(1, seed=0)
    responses = drawn.answers.copy()
    column = data.draw(st.integers(0, task.response_length - 1))
    responses[0, column] = data.draw(st.sampled_from([task.mask_id, -1, len(task.vocabulary)]))
    assert not task.correct(drawn.prompts, responses).any()


@pytest.mark.parametrize("name", TASKS)
def test_training_and_test_prompts_have_none_in_common(name: str) -> None:
    """The smallest size has the fewest prompts, so that both parts come close to all of them."""
    task = make_task(f"{name}:{SIZES[name][0]}")
    tests = {tuple(p) for p in task.instances(300, seed=0).prompts.tolist()}
    training = {tuple(p) for p in task.instances(3000, seed=0, held_out=False).prompts.tolist()}
    assert tests
    assert training
    assert not tests & training
    assert is_held_out(np.array(sorted(tests))).all()


@pytest.mark.parametrize("name", TASKS)
def test_one_prompt_in_eight_is_held_out(name: str) -> None:
    task = make_task(name)
    prompts, _ = task.draw(np.random.default_rng(0), 4000)
    distinct = np.unique(prompts, axis=0)
    share = is_held_out(distinct).mean()
    # Five standard errors of a share of 1/8: a false alarm of 6e-7, were hashes independent.
    assert abs(share - 1 / 8) < 5 * np.sqrt(7 / 64 / len(distinct))


def test_other_seeds_draw_other_prompts() -> None:
    task = make_task("sort")
    assert (task.instances(20, 0).prompts != task.instances(20, 1).prompts).any(axis=1).all()


def test_no_instances() -> None:
    assert len(make_task("walk").instances(0, 0)) == 0


def test_every_task_has_a_size_of_its_own_and_a_mask_last() -> None:
    assert set(TASKS) == set(SIZES)
    for name in TASKS:
        task = make_task(name)
        assert task.name.startswith(f"{name}:")
        assert task.vocabulary[task.mask_id] == MASK
        assert len(set(task.vocabulary)) == len(task.vocabulary)


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("spelling", "prompt", "answer"),
    [
        ("copy:3", "c a b", "c a b"),
        ("reverse:3", "c a b", "b a c"),
        ("sort:3", "c a b", "a b c"),
        ("insert:3", "c a x @0", "x c a"),
        ("insert:3", "c a x @1", "c x a"),
        ("insert:3", "c a x @2", "c a x"),
    ],
)
def test_a_function_of_a_list_has_one_answer(spelling: str, prompt: str, answer: str) -> None:
    task = make_task(spelling)
    tokens = np.array([task.vocabulary.index(name) for name in prompt.split()])
    assert task.show(tokens) == prompt
    (only,) = right_answers(task, tokens, symbols=len(task.vocabulary))
    assert task.show(np.array(only)) == answer


@settings(max_examples=20)
@given(st.sampled_from(["copy", "reverse", "sort", "insert"]), st.integers(2, 26), st.data())
def test_lists_by_python(name: str, size: int, data: st.DataObject) -> None:
    drawn = make_task(f"{name}:{size}").instances(4, data.draw(st.integers(0, 99)))
    for prompt, answer in zip(drawn.prompts.tolist(), drawn.answers.tolist(), strict=True):
        expected = list(prompt)
        if name == "reverse":
            expected.reverse()
        elif name == "sort":
            expected.sort()
        elif name == "insert":
            *expected, item, place = prompt
            expected.insert(place - 26, item)
        assert answer == expected
        assert len(set(answer)) == size


def test_shuffle_takes_every_order_but_the_prompts_own_and_draws_each_alike() -> None:
    task = make_task("shuffle:4")
    prompt = np.array([3, 0, 2, 1])
    support = set(permutations(range(4))) - {(3, 0, 2, 1)}
    assert right_answers(task, prompt, symbols=5) == support
    # Items are exchangeable, so that answers to all prompts tell of one: as places in the prompt.
    drawn = task.instances(23 * 200, seed=0)
    places = (drawn.answers[:, :, None] == drawn.prompts[:, None, :]).argmax(axis=2)
    own = set(permutations(range(4))) - {(0, 1, 2, 3)}
    assert uniform_p_value(places, own) > ALPHA


def test_items_of_a_list_are_uniform() -> None:
    prompts = make_task("copy:2").draw(np.random.default_rng(0), 26 * 25 * 20)[0]
    pairs = set(permutations(range(26), 2))
    assert uniform_p_value(prompts, pairs) > ALPHA


# ---------------------------------------------------------------- addition


def test_sums_are_those_of_whole_numbers() -> None:
    task = make_task("addition:12")
    drawn = task.instances(200, seed=0)
    for prompt, answer in zip(drawn.prompts, drawn.answers, strict=True):
        first, second, total = (
            int("".join(map(str, digits))) for digits in (prompt[:12], prompt[12:], answer)
        )
        assert first + second == total


def test_only_the_sum_is_right() -> None:
    task = make_task("addition:2")
    assert right_answers(task, np.array([9, 7, 0, 5]), symbols=10) == {(1, 0, 2)}


def test_half_of_the_columns_sum_to_nine_and_a_twentieth_more_by_chance() -> None:
    prompts = make_task("addition:64").draw(np.random.default_rng(0), 500)[0]
    nines = (prompts[:, :64] + prompts[:, 64:] == 9).mean()
    assert abs(nines - 0.55) < 5 * np.sqrt(0.55 * 0.45 / (64 * 500))  # false alarm 6e-7


# ---------------------------------------------------------------- squares


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 2), (3, 12), (4, 576), (5, 161280)])
def test_latin_squares_are_as_many_as_there_are(size: int, count: int) -> None:
    """OEIS A002860."""
    squares = latin_squares(size)
    assert len(squares) == count
    assert len(np.unique(squares.reshape(count, -1), axis=0)) == count


def test_latin_squares_by_definition() -> None:
    task = make_task("latin:3")
    prompt = np.array([0, 1, 2])
    found = right_answers(task, prompt, symbols=3)
    assert len(found) == 12
    for square in found:
        rows = [square[3 * i : 3 * i + 3] for i in range(3)]
        assert all(set(line) == {0, 1, 2} for line in [*rows, *zip(*rows, strict=True)])
    assert not task.correct(np.array([[0, 1, 3]]), np.array([sorted(found)[0]])).any()


def test_latin_squares_are_uniform() -> None:
    task = make_task("latin:3")
    drawn = task.instances(12 * 200, seed=0)
    cells = np.array(
        [np.searchsorted(p, a) for p, a in zip(drawn.prompts, drawn.answers, strict=True)]
    )
    assert uniform_p_value(cells, right_answers(task, np.array([0, 1, 2]), symbols=3)) > ALPHA
    assert (np.diff(drawn.prompts, axis=1) > 0).all()  # symbols are sorted


def is_sudoku(cells: tuple[int, ...]) -> bool:
    rows = [cells[4 * i : 4 * i + 4] for i in range(4)]
    boxes = [
        [rows[2 * i + a][2 * j + b] for a in range(2) for b in range(2)]
        for i in range(2)
        for j in range(2)
    ]
    return all(set(line) == {0, 1, 2, 3} for line in [*rows, *zip(*rows, strict=True), *boxes])


def test_sudoku_grids_by_definition() -> None:
    grids = sudoku_grids().reshape(-1, 16)
    assert len(grids) == 288  # OEIS A107739
    squares = latin_squares(4).reshape(-1, 16)
    kept = {tuple(square) for square in squares.tolist() if is_sudoku(tuple(square))}
    assert {tuple(grid) for grid in grids.tolist()} == kept


def test_any_completion_of_a_sudoku_is_right_and_nothing_else() -> None:
    task = make_task("sudoku:4")
    squares = latin_squares(4).reshape(-1, 16)
    for prompt in task.instances(20, seed=0).prompts:
        assert (prompt != BLANK).sum() == 4
        shown = prompt != BLANK
        expected = [
            is_sudoku(tuple(square)) and bool((square[shown] == prompt[shown]).all())
            for square in squares
        ]
        found = task.correct(np.broadcast_to(prompt, squares.shape), squares)
        assert found.tolist() == expected


def test_completions_of_a_sudoku_are_uniform() -> None:
    task = make_task("sudoku:2")
    prompt = task.instances(1, seed=0).prompts[0]
    answers = answers_to(task, prompt, 60_000)
    grids = sudoku_grids().reshape(-1, 16)
    shown = prompt != BLANK
    support = {tuple(g) for g in grids[(grids[:, shown] == prompt[shown]).all(axis=1)].tolist()}
    assert len(answers) > 5 * len(support)
    assert uniform_p_value(answers, support) > ALPHA


@pytest.mark.parametrize(("clues", "completions"), [(4, 4.1), (6, 1.7), (8, 1.2)])
def test_how_many_completions_a_sudoku_has(clues: int, completions: float) -> None:
    grids = sudoku_grids().reshape(-1, 16)
    prompts = make_task(f"sudoku:{clues}").instances(2000, seed=0).prompts
    fits = (prompts[:, None] == BLANK) | (prompts[:, None] == grids)
    counts = fits.all(axis=2).sum(axis=1)
    spread = counts.std() / np.sqrt(len(counts))
    assert abs(counts.mean() - completions) < 0.05 + 5 * spread


# ---------------------------------------------------------------- walks


def edges_of(prompt: Integers) -> set[frozenset[int]]:
    pairs = prompt[: 2 * EDGES].reshape(-1, 2).tolist()
    return {frozenset(pair) for pair in pairs}


def walks_by_hand(prompt: Integers, length: int) -> set[tuple[int, ...]]:
    edges, (start, end) = edges_of(prompt), prompt[-2:].tolist()
    found = set()
    for inner in product(range(NODES), repeat=length):
        nodes = (start, *inner, end)
        if all(frozenset(step) in edges for step in pairwise(nodes)):
            found.add(inner)
    return found


def test_any_walk_along_edges_is_right_and_nothing_else() -> None:
    task = make_task("walk:3")
    for prompt in task.instances(10, seed=0).prompts:
        assert right_answers(task, prompt, symbols=NODES) == walks_by_hand(prompt, 3)


def test_graphs_are_simple_and_listed_in_order() -> None:
    for prompt in make_task("walk").instances(50, seed=0).prompts:
        pairs = [tuple(pair) for pair in prompt[: 2 * EDGES].reshape(-1, 2).tolist()]
        assert pairs == sorted(set(pairs))
        assert all(a < b for a, b in pairs)
        assert len(pairs) == EDGES


def test_walks_are_uniform() -> None:
    """The rank of an answer among the walks of its prompt is uniform: a test for each number."""
    drawn = make_task("walk:2").instances(2000, seed=0)
    ranks: dict[int, list[int]] = {}
    for prompt, answer in zip(drawn.prompts, drawn.answers.tolist(), strict=True):
        walks = sorted(walks_by_hand(prompt, 2))
        ranks.setdefault(len(walks), []).append(walks.index(tuple(answer)))
    tested = {
        number: chisquare(np.bincount(found, minlength=number)).pvalue
        for number, found in ranks.items()
        if number > 1 and len(found) >= 5 * number
    }
    assert len(tested) > 3
    assert min(tested.values()) * len(tested) > ALPHA


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "spelling", ["", "juggle", "Sort", "sort :3", "sort:", "sort:x", "sort:-1"]
)
def test_a_bad_spelling_names_the_tasks(spelling: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_task(spelling)
    assert all(name in str(caught.value) for name in TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_sizes_have_bounds(name: str) -> None:
    least, most = SIZES[name]
    for size in (least - 1, most + 1):
        with pytest.raises(UsageError, match=f"need {least} to {most} .*, got {size}"):
            make_task(f"{name}:{size}")


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (1, -1)])
def test_counts_and_seeds_are_not_negative(count: int, seed: int) -> None:
    with pytest.raises(UsageError, match="need count and seed >= 0"):
        make_task("copy").instances(count, seed)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 4)), ((2, 4), (2, 3)), ((2, 4), (3, 4)), ((4,), (4,))]
)
def test_other_shapes_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    prompts, responses = (np.zeros(shape, dtype=np.int64) for shape in shapes)
    with pytest.raises(UsageError, match="need prompts"):
        make_task("copy:4").correct(prompts, responses)


@pytest.mark.parametrize("token", [-1, 27])
def test_a_token_of_no_name_is_not_shown(token: int) -> None:
    with pytest.raises(UsageError, match=f"need tokens 0..26, got {token}"):
        make_task("copy").show(np.array([0, token]))
