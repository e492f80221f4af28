"""Write the saved fits of the present format version; run once when the version changes.

python tests/reference/saved/make.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixedmodels as mm
from mixedmodels.storage.fits import VERSION

HERE = Path(__file__).parent

MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "slopes": (
        "sleepstudy",
        "log(Reaction) ~ poly(Days, 2) * Half + (1 + Days | Subject)",
        {"weights": "1 + Days / 10", "contrasts": {"Half": "sum"}},
    ),
    "nested": (
        "pastes",
        "strength ~ 1 + (1 | batch/cask)",
        {"reml": False, "offset": "0.1 * Number", "na_action": "exclude"},
    ),
}


def table(name: str) -> pd.DataFrame:
    """The data of a model, with a factor and a number made from the row numbers."""
    data = mm.load_dataset(name)
    rows = np.arange(len(data))
    data["Half"] = np.where(rows % 3 == 0, "first", "second")
    data["Number"] = rows % 7 + 0.5
    data.loc[5, "Number"] = np.nan
    return data


def numbers(fit: mm.LinearMixedFit, data: pd.DataFrame) -> dict[str, Any]:
    """What a fit must give after it is loaded."""
    return {
        "loglik": fit.loglik,
        "theta": fit.theta.tolist(),
        "fixef": fit.fixef.to_dict(),
        "sigma": fit.sigma,
        "p_values": fit.coef_table()["p_value"].tolist(),
        "predictions": fit.predict(data.iloc[:4]).tolist(),
        "fitted": float(np.nansum(fit.fitted)),
    }


def main() -> None:
    """Fit, save, and write down the numbers."""
    for name, (data_name, formula, options) in MODELS.items():
        data = table(data_name)
        fit = mm.lmer(formula, data, **options)
        fit.save(HERE / f"version-{VERSION}-{name}.mm")
        path = HERE / f"version-{VERSION}-{name}.json"
        path.write_text(json.dumps(numbers(fit, data), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
