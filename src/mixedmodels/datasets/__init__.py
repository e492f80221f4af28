"""The data sets bundled with the package: load, list, describe.

Depends on `errors` only. Models and formulas know nothing of it.
"""

from __future__ import annotations

from mixedmodels.datasets.catalogue import DatasetInfo, describe_dataset, list_datasets
from mixedmodels.datasets.storage import load_dataset

__all__ = ["DatasetInfo", "describe_dataset", "list_datasets", "load_dataset"]
