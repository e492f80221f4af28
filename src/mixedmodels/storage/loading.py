"""A file of a fit of any kind read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedmodels.lazy import late_module
from mixedmodels.storage.container import Unpacked, unpack
from mixedmodels.storage.files import open_regular
from mixedmodels.storage.fits import (
    FITTED,
    GENERALIZED,
    OF_SUMS,
    Saved,
    check_version,
    understand,
)

if TYPE_CHECKING:
    from mixedmodels.storage import generalized as _generalized
else:
    _generalized = late_module("mixedmodels.storage.generalized")


def load_fit(path: Any) -> Saved | Unpacked | _generalized.SavedGeneralized:
    """Read what `save_fit` wrote; of a fit of sums over rows the file as it is.

    Raises:
        FileError: No such file, not one of ours, damaged, or of a version not known here.
    """
    with open_regular(path) as (name, file):
        unpacked = unpack(name, file)
        if unpacked.header.get("kind") == GENERALIZED:
            generalized: _generalized.SavedGeneralized
            generalized = understand(unpacked, _generalized.FITTED)
            return generalized
        if unpacked.header.get("kind") == OF_SUMS:
            check_version(unpacked.name, unpacked.header, OF_SUMS)
            return unpacked
        saved: Saved = understand(unpacked, FITTED)
        return saved
