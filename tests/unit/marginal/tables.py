"""Tables of data of which marginal means are taken."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd


@cache
def table() -> pd.DataFrame:
    """A response and columns of all kinds: factors, numbers, logical values, days, text."""
    rng = np.random.default_rng(3)
    n = 240
    data = pd.DataFrame({"s": np.repeat(np.arange(12), n // 12)})
    data["a"] = rng.choice(list("pqr"), n)
    data["b"] = rng.choice(["u", "v"], n)
    data["x"] = rng.uniform(1.0, 5.0, n)
    data["k"] = rng.integers(0, 2, n)
    data["m"] = rng.integers(1, 5, n)
    data["y"] = 5.0 + data["x"] + (data["a"] == "q") + rng.normal(size=12)[data["s"]]
    data["y"] += rng.normal(size=n)
    data["RT (ms)"] = np.exp(data["y"] / 3.0)
    data["my f"], data["odd:name"] = data["a"], data["b"]
    data["declared"] = pd.Categorical(data["a"], categories=list("rzqp"))
    data["ordered"] = pd.Categorical(data["a"], categories=list("pqr"), ordered=True)
    data["flag"] = data["x"] > 3.0
    data["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(data["m"], unit="D")
    data["small"], data["single"] = data["m"].astype("int8"), data["x"].astype("float32")
    data["nullable"], data["truth"] = data["m"].astype("Int64"), data["flag"].astype("boolean")
    data["text"], data["tenths"] = data["a"].astype("string"), data["m"] * 0.1
    return data


def nested_slopes() -> pd.DataFrame:
    """Two factors and a covariate, crossed, with a slope in one level of the first."""
    rng, n = np.random.default_rng(2), 180
    data = pd.DataFrame(
        {
            "g": np.repeat(np.arange(15), 12).astype(str),
            "f": np.tile(list("abc"), 60),
            "h": np.tile(np.repeat(["u", "v"], 3), 30),
            "x": rng.normal(size=n).round(3) + 0.4,
        }
    )
    noise = rng.normal(size=n) + 0.5 * rng.normal(size=15)[np.repeat(np.arange(15), 12)]
    in_f = 0.6 * (data["f"] == "b") + 0.3 * data["x"] * (data["f"] == "c")
    return data.assign(y=noise + in_f + (data["h"] == "v") * (data["f"] == "a"))


def three_factors() -> pd.DataFrame:
    """The table of `nested_slopes` with a third factor."""
    data = nested_slopes()
    levels = ["lo", "mid", "hi"]
    t = pd.Categorical.from_codes((np.arange(1, 181) // 7) % 3, levels)
    return data.assign(t=t)
