"""`mixedmodels datasets`: the bundled data sets."""

from __future__ import annotations

import argparse
import dataclasses

from mixedmodels.commands.output import OK, print_json
from mixedmodels.datasets import describe_dataset, list_datasets


def run(arguments: argparse.Namespace) -> int:
    """List the bundled data sets, or describe one."""
    names = list_datasets() if arguments.name is None else [arguments.name]
    found = [describe_dataset(name) for name in names]
    if arguments.json:
        print_json("datasets", {"datasets": [dataclasses.asdict(info) for info in found]})
        return OK
    for info in found:
        if arguments.name is None:
            print(f"{info.name:<14}{info.rows:>6} rows  {info.description}")
        else:
            print(info)
    return OK
