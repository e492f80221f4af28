"""Block plans and fill-in tables, on the structures of Bates' slides."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import z_matrix
from scipy import sparse

from mixedmodels.covariance import Templates
from mixedmodels.fill_in import BlockPlan, block_plan, fill_in_table

PLATE, SAMPLE = (part.ravel() for part in np.indices((24, 6)))


def crossed() -> BlockPlan:
    """Penicillin: 24 plates by 6 samples, every combination once."""
    ones = np.ones((144, 1))
    Z = z_matrix([(PLATE, 24, ones), (SAMPLE, 6, ones)]) * np.repeat([1.2, 2.1], [24, 6])
    M = Z.T @ Z + np.eye(30)
    templates = Templates.from_terms(
        (1, 1), (0, 1), ("plate", "sample"), (("(Intercept)",),) * 2, (24, 6)
    )
    L = sparse.csc_array(np.linalg.cholesky(M))
    return block_plan(
        templates, sparse.csc_array(M), L, np.arange(30), order="as given", supernodes=25,
        flops=12345.0, p=1,
    )  # fmt: skip


def test_counts_of_penicillin() -> None:
    plan = crossed()
    assert plan.nnz_M == 174
    assert plan.nnz_L == 189
    frame = plan.to_frame()
    assert frame["storage"].tolist() == ["diagonal", "dense", "dense"]
    assert frame["nnz_L"].tolist() == [24, 144, 21]
    assert frame["rows"].tolist() == [24, 6, 6]


def test_print_of_penicillin() -> None:
    lines = str(crossed()).splitlines()
    assert lines[0] == "Block plan: 30 random effects, 1 fixed effects; order: as given"
    assert "sample x plate    6      24    144    144 100% dense" in lines
    assert lines[-1] == "nnz(L) = 189, fill-in 15; 25 supernodes; 12.3 kflop per factorisation"


def test_permuted_factor_counts_the_same_blocks() -> None:
    perm = np.r_[24:30, 0:24]
    M = np.eye(30)
    M[24:, :24] = M[:24, 24:] = 0.01
    L = sparse.csc_array(np.linalg.cholesky(M[np.ix_(perm, perm)]))
    templates = Templates.from_terms(
        (1, 1), (0, 1), ("plate", "sample"), (("(Intercept)",),) * 2, (24, 6)
    )
    plan = block_plan(
        templates, sparse.csc_array(M), L, perm, order="reversed", supernodes=7, flops=1.0, p=0
    )
    assert plan.nnz_L == L.nnz == 450
    assert plan.to_frame()["storage"].tolist() == ["dense", "dense", "diagonal"]


@pytest.mark.parametrize(("size", "storage"), [(1, "diagonal"), (2, "block diagonal")])
def test_one_factor_is_block_diagonal(size: int, storage: str) -> None:
    q = 5 * size
    L = sparse.csc_array(np.kron(np.eye(5), np.tril(np.ones((size, size)))))
    templates = Templates.from_terms((size,), (0,), ("g",), (("a", "b")[:size],), (5,))
    plan = block_plan(templates, L, L, np.arange(q), order="as given", supernodes=5, flops=2e6, p=2)
    assert plan.to_frame()["storage"].tolist() == [storage]
    assert "2 Mflop" in str(plan)


def test_fill_in_table() -> None:
    table = fill_in_table(
        [
            {"order": "as given", "nnz_L": 189, "flops": 1e3, "supernodes": 25},
            {"order": "reversed", "nnz_L": 450, "flops": 5e3, "supernodes": 1},
        ]
    )
    assert table.index.name == "order"
    assert table.loc["reversed", "nnz_L"] == 450
    assert list(table.columns) == ["nnz_L", "flops", "supernodes"]
