"""Shares of flat directions."""

from __future__ import annotations

import numpy as np
import pytest

from mixedmodels.estimates.unknown import flat_shares


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_shares_do_not_depend_on_the_size_of_a_combination(size: float) -> None:
    rng = np.random.default_rng(1)
    combinations = rng.normal(size=(5, 4))
    combinations[:, 3] = 0.0
    flat = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    plain = flat_shares(combinations, flat)
    assert plain[3] == 0.0
    np.testing.assert_allclose(flat_shares(size * combinations, flat), plain, rtol=1e-12)
    expected = np.linalg.norm(flat.T @ combinations[:, :3], axis=0)
    expected /= np.linalg.norm(combinations[:, :3], axis=0)
    np.testing.assert_allclose(plain[:3], expected, rtol=1e-12)
    assert flat_shares(combinations, flat[:, :0]).tolist() == [0.0] * 4
