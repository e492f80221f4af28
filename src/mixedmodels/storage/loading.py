"""A file of a fit of any kind read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedmodels.lazy import late_module
from mixedmodels.storage.container import unpack
from mixedmodels.storage.files import open_regular
from mixedmodels.storage.fits import FITTED, GENERALIZED, Saved, understand

if TYPE_CHECKING:
    from mixedmodels.storage import generalized as _generalized
else:
    _generalized = late_module("mixedmodels.storage.generalized")


def load_fit(path: Any) -> Saved | _generalized.SavedGeneralized:
    """Read what `save_fit` wrote.

    Raises:
        FileError: No such file, not one of ours, damaged, or of a version not known here.
    """
    with open_regular(path) as (name, file):
        unpacked = unpack(name, file)
        if unpacked.header.get("kind") == GENERALIZED:
            generalized: _generalized.SavedGeneralized
            generalized = understand(unpacked, _generalized.FITTED)
            return generalized
        saved: Saved = understand(unpacked, FITTED)
        return saved
