"""Tables of any shape as text: at most 80 columns, and nothing left out."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixedmodels as mm
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import TableResult
from mixedmodels.report.sections import Paragraph, Table
from mixedmodels.report.text import WIDTH, render_text, wrapped

CELL = st.text("abcxyz.:() *", max_size=90)


def random_cell(rng: random.Random) -> str:
    return "".join(rng.choices("abcxyz.:() *", k=rng.choice([0, 1, 8, 30, 60, 90])))


def random_number(rng: random.Random) -> str:
    digits = "".join(rng.choices("0123456789", k=rng.randint(1, 9)))
    after = "".join(rng.choices("0123456789", k=rng.randint(0, 9)))
    return rng.choice(["", "-"]) + digits + (f".{after}" if after else "")


def random_table(seed: int) -> Table:
    rng = random.Random(seed)
    sides = rng.choice(["<", "<<"]) + ">" * rng.randint(0, 14) + rng.choice(["", "<"])
    columns = [
        [random_number(rng) if side == ">" else random_cell(rng) for _ in range(3)]
        for side in sides
    ]
    header = tuple(f"c{j}" for j in range(len(sides)))
    return Table("", header, tuple(zip(*columns, strict=True)), sides)


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_no_line_is_too_long_and_no_cell_is_lost(first: int) -> None:
    for seed in range(first, first + 100):
        check_that_nothing_is_lost(random_table(seed))


def check_that_nothing_is_lost(table: Table) -> None:
    text = render_text([table])
    assert max(map(len, text.split("\n"))) <= WIDTH
    shown = "".join(text.split())
    for row in (table.header, *table.rows):
        for cell, side in zip(row, table.sides, strict=True):
            if side == ">":
                assert cell in shown
    letters = "".join(cell for row in table.rows for cell in row)
    assert set("".join(letters.split())) <= set(shown)


@settings(max_examples=100, deadline=None)
@given(CELL, st.integers(4, 40))
def test_broken_text_is_the_text(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= width for line in lines)


def test_what_fits_stays_on_its_line() -> None:
    table = Table("Title", ("", "a"), (("row", "1"),), "<>")
    assert render_text([table, Paragraph(("end",))]) == "Title\n    a\nrow 1\n\nend"


def test_a_long_label_is_broken_and_its_numbers_stand_in_the_first_line() -> None:
    label = "treatment[intensive]:school_type[comprehensive]:poly(age, 2)[1]:sex[female]"
    table = Table("", ("", "estimate", "df", "p"), ((label, "1.5", "17.00", "0.25"),), "<>>>")
    lines = render_text([table]).split("\n")
    assert lines[1].endswith("1.5 17.00 0.25")
    assert all(len(line) <= WIDTH for line in lines)
    assert "".join(line[:60] for line in lines[1:]).replace(" ", "").startswith("treatment[int")


def test_many_columns_are_put_in_blocks_each_with_the_labels() -> None:
    header = ("", *(f"column{j:02d}" for j in range(20)))
    rows = tuple((f"row{i}", *(f"{i + j}.123" for j in range(20))) for i in range(2))
    text = render_text([Table("", header, rows, "<" + ">" * 20)])
    assert all(name in text for name in header)
    assert text.count("row0") == text.count("row1") == 3


def test_rows_of_a_triangle_end_where_it_ends() -> None:
    header = ("", *(f"n{j}" for j in range(20)))
    rows = tuple((f"row{i:02d}", *["-0.123"] * (i + 1), *[""] * (19 - i)) for i in range(20))
    text = render_text([Table("", header, rows, "<" + ">" * 20)])
    assert text.count("row00") == 1
    assert text.count("row19") == 2


@pytest.mark.parametrize(
    ("name", "values", "cells"),
    [
        ("p_value", [1e-20, 0.04, np.nan], ["<2e-16", "0.04", "NaN"]),
        ("p_mixture", [0.5], ["0.5"]),
        ("df", [17.0, 2.0], ["17", "2"]),
        ("den_df", [17.04, np.inf], ["17.04", "inf"]),
        ("df", [np.nan, 1.0], ["NaN", "1"]),
        ("aic", [1755.62814, -0.5], ["1755.628", "-0.500"]),
        ("statistic", [36.83842], ["36.838"]),
        ("weight", [5.2258e-09, 1.0], ["5.23e-09", "1"]),
        ("estimate", [251.405105, 10.467286], ["251.405", "10.467"]),
        ("npar", [4, 6], ["4", "6"]),
        ("converged", [True, False], ["True", "False"]),
        ("direction", ["x", "y"], ["x", "y"]),
    ],
)
def test_cells_of_a_frame(name: str, values: list[object], cells: list[str]) -> None:
    table = frame_table(pd.DataFrame({name: values}))
    assert [row[1] for row in table.rows] == cells


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Noted(TableResult):
    @property
    def heading(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(
    ("notes", "last"),
    [
        ({}, "c NaN"),
        ({"a": "why"}, "a: why"),
        ({"a": "why", "c": "why"}, "a, c: why"),
        ({"a": "why", "b": "why", "c": "why"}, "why"),
        ({"a": "why", "b": "else"}, "a: why\nb: else"),
    ],
)
def test_notes_below_a_table(notes: dict[str, str], last: str) -> None:
    frame = pd.DataFrame({"df": [np.nan] * 3}, list("abc"))
    frame.attrs["notes"] = notes
    assert str(Noted(frame)).endswith(last)
    assert Noted(frame).notes == notes


def test_what_does_not_apply_is_left_out() -> None:
    frame = pd.DataFrame({"p_value": [np.nan, np.nan]}, ["<none>", "x"])
    assert [row[1] for row in frame_table(frame, blank=("<none>",)).rows] == ["", "NaN"]


def test_a_long_name_of_a_column_is_broken_and_numbers_stay_below_it() -> None:
    names = ("the_name_of_a_covariate_that_is_sixty_letters_long_or_nearly", "short")
    table = Table("", ("", *names), ((names[0], "1.25", "-0.5"), ("short", "-0.5", "2")), "<>>")
    lines = render_text([table]).split("\n")
    assert max(map(len, lines)) <= WIDTH
    heads = [line for line in lines if line.startswith(" ")]
    assert lines[: len(heads)] == heads
    assert len(heads) > 1
    assert "".join(line.split()[0] for line in heads) == names[0]
    number = next(line for line in lines if "1.25" in line)
    assert number.index("1.25") + 4 == max(len(line.rstrip()) for line in heads[1:])


def test_sentences_go_on_in_the_next_line() -> None:
    sentence = "a sentence of many words " * 7
    formula = "Formula: y ~ " + "*".join("abcdefghij"[i] * 30 for i in range(4)) + " + (1|g)"
    text = render_text([Paragraph((sentence, formula, "z" * 100))])
    assert [line for line in text.split("\n") if len(line) > WIDTH] == ["z" * 100]
    joined = "".join(text.split())
    assert joined == "".join((sentence + formula + "z" * 100).split())
    caption = render_text([Table(sentence, ("", "a"), (("row", "1"),), "<>")])
    assert max(map(len, caption.split("\n"))) <= WIDTH


X, F, G, Y = (
    name.ljust(60, "_") for name in ("covariate_of_a", "factor_of_a", "schools_in_a", "response_in")
)


@cache
def long_named() -> dict[str, Any]:
    """Fits of variables whose names and levels have 60 letters."""
    rng, n = np.random.default_rng(2), 240
    levels = np.array([f"level {c} of the treatment, with a long description of it" for c in "abc"])
    data = pd.DataFrame(
        {
            G: [f"school number {i % 20} of the northern district" for i in range(n)],
            F: levels[rng.integers(0, 3, n)],
            X: rng.normal(size=n),
        }
    )
    effects = rng.normal(size=20)[np.arange(n) % 20]
    data[Y] = rng.normal(size=n) + effects + 0.5 * data[X]
    data["c"] = rng.poisson(np.exp(0.3 + 0.3 * effects)) * (rng.random(n) < 0.8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "linear": mm.lmer(f"{Y} ~ {F} * {X} + ({X} | {G})", data, reml=False),
            "small": mm.lmer(f"{Y} ~ {X} + (1 | {G})", data, reml=False),
            "counts": mm.glmer(
                f"c ~ {F} + {X} + (1 | {G})",
                data,
                "negative_binomial",
                dispersion=f"~ {X}",
                zero_inflation=f"~ {X}",
            ),
        }


PRINTED: dict[str, Callable[[Any], Any]] = {
    "fit": lambda fit: fit,
    "summary": lambda fit: fit.summary(),
    "robust covariance": lambda fit: fit.vcov_robust(),
    "anova": lambda fit: fit.anova(vcov=fit.vcov_robust()),
    "means": lambda fit: fit.emmeans(F, vcov=fit.vcov_robust()),
    "means within levels": lambda fit: fit.emmeans(X, by=F, at={X: [0, 1]}),
    "contrasts": lambda fit: fit.emmeans(F).contrast("pairwise"),
    "slopes": lambda fit: fit.emtrends(F, X),
    "joint tests": lambda fit: fit.joint_tests(by=F),
    "drop1": lambda fit: fit.drop1(),
    "random effects": lambda fit: fit.ranef(),
    "coef": lambda fit: fit.coef(),
    "singularity": lambda fit: fit.singularity(),
    "influence": lambda fit: fit.influence(method="one-step"),
    "checks": lambda fit: fit.check(nsim=19, progress=False),
    "test": lambda fit: fit.test(X),
    "table": lambda fit: mm.table([fit, fit]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PRINTED)
@pytest.mark.parametrize("kind", ["linear", "counts"])
def test_results_of_long_names_are_in_80_columns(kind: str, name: str) -> None:
    text = str(PRINTED[name](long_named()[kind]))
    assert [line for line in text.split("\n") if len(line) > WIDTH] == []


@pytest.mark.filterwarnings("ignore")
def test_comparisons_of_long_names_are_in_80_columns() -> None:
    fits = long_named()
    for found in (mm.anova(fits["small"], fits["linear"]), mm.table([*fits.values()])):
        assert max(map(len, str(found).split("\n"))) <= WIDTH
