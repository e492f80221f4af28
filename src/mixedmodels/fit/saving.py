"""A fit to a file, a pickle or a copy; the format is that of `storage`, and `api.load` reads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mixedmodels.fit.values import Values
from mixedmodels.storage.fits import fit_from_bytes, fit_to_bytes, save_fit
from mixedmodels.storage.pickles import kept_threads, usable_threads

if TYPE_CHECKING:
    from typing_extensions import Self

    from mixedmodels.fit.linear import LinearMixedFit
    from mixedmodels.model import LinearMixedModel


class Saving(Values):
    """Fits in files; see `LinearMixedFit`."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one file, replacing one that is there; `mixedmodels.load` reads it.

        The file is a zip archive of a JSON header and .npy arrays, without pickled objects. It
        holds the model matrices, so it is about as large as the columns of the data that the
        formula uses, and everything that predictions, profiles and refits need.

        Args:
            path: Where to write; by custom it ends in .mm.

        Raises:
            FileError: The file cannot be written there.

        Examples:
            >>> import tempfile, pathlib
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "dyestuff.mm"
            >>> fit.save(path)
            >>> bool((mm.load(path).residuals == fit.residuals).all())
            True
        """
        save_fit(self._fitted, path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles, and with them deep copies and other processes, hold what a file holds."""
        content = fit_to_bytes(self._fitted)
        return _restore, (type(self._model), content, kept_threads(self._stages))

    def __copy__(self) -> Self:
        """A fit that shares everything with this one: neither ever changes."""
        return type(self)(self._model, self._fitted)


def _restore(model: type[LinearMixedModel], content: bytes, threads: int | None) -> LinearMixedFit:
    return model.restore(*fit_from_bytes(content), threads=usable_threads(threads))
