"""A fit to a file; the file itself is `storage`'s, and `api.load` reads it."""

from __future__ import annotations

import os

from mixedmodels.fit.values import Values
from mixedmodels.storage.fits import save_fit


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
