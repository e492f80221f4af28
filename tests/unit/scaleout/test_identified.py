"""What sums over rows leave open is named as it is in memory, in the same words."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tests.streamed import in_parts, summed
from tests.unit.design.test_identify import KINDS, table_of

from mixedmodels.estimates.routing import Ways
from mixedmodels.linear import LinearMixedModel
from mixedmodels.scaleout import CrossProducts


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("formula", [formula for formula, _, _ in KINDS])
def test_every_kind_in_the_words_of_rows_in_memory(formula: str, weighted: bool) -> None:
    data = table_of(1)
    options: dict[str, Any] = {}
    if weighted:
        data["w"] = np.random.default_rng(0).uniform(0.5, 2.0, len(data))
        options["weights"] = "w"
    model = LinearMixedModel(formula, data, **options)._model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sums = CrossProducts(*summed(formula, in_parts(data, 3), **options))
    streamed = sums._model(1, Ways())
    for reml in (True, False):
        expected = model.identification(model.criterion(reml=reml))
        found = streamed.identification(streamed.criterion(reml=reml))
        assert found.problems == expected.problems
        assert found.unknown.tolist() == expected.unknown.tolist()
        assert (found.idle is None) == (expected.idle is None)
        assert found.messages == expected.messages
