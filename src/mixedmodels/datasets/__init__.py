"""The data sets bundled with the package: load, list, describe.

Depends on `errors` only; independent of models and formulas.
"""

from __future__ import annotations

from mixedmodels.datasets.catalogue import DatasetInfo, describe_dataset, list_datasets
from mixedmodels.datasets.storage import load_dataset

__all__ = ["DatasetInfo", "describe_dataset", "list_datasets", "load_dataset"]
