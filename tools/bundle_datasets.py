"""Convert a directory of Parquet files into the data sets that are bundled with the package.

    python tools/bundle_datasets.py SOURCE_DIRECTORY

Reads SOURCE_DIRECTORY/<name>.parquet for every name in files/index.json, writes files/<name>.npz
and renews the row counts and column names of the index; its prose is written by hand. The layout of
an .npz file is described in mixedmodels/datasets/storage.py. Needs pyarrow; the package does not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FILES = Path(__file__).parents[1] / "src" / "mixedmodels" / "datasets" / "files"


def arrays_of(frame: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that store `frame`, by the names under which they are read back."""
    columns = [str(column) for column in frame.columns]
    arrays = {"columns": np.array(columns, dtype=np.str_)}
    for position, column in enumerate(columns):
        values = frame[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            arrays[f"codes_{position}"] = values.cat.codes.to_numpy()
            arrays[f"levels_{position}"] = values.cat.categories.to_numpy().astype(np.str_)
            arrays[f"ordered_{position}"] = np.array(bool(values.cat.ordered))
        else:
            arrays[f"values_{position}"] = values.to_numpy()
    return arrays


def main() -> None:
    """Convert every data set of the index."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="directory of the Parquet files")
    source: Path = parser.parse_args().source
    index_path = FILES / "index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    for name, entry in index.items():
        frame = pd.read_parquet(source / f"{name}.parquet")
        np.savez_compressed(FILES / f"{name}.npz", **arrays_of(frame))
        entry["rows"] = len(frame)
        entry["columns"] = list(frame.columns)
    text = json.dumps(index, indent=1, ensure_ascii=False)
    index_path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
