"""What `--json` prints has the documented form, and the page names every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixedmodels.cli import main
from mixedmodels.commands.arguments import actions_of, commands_of, make_parser
from mixedmodels.commands.output import SCHEMA
from mixedmodels.datasets import load_dataset
from mixedmodels.large import cross_products, plan

DOCS = Path(__file__).parents[2] / "docs"
FORMS: dict[str, Any] = json.loads((DOCS / "command-line.schema.json").read_text(encoding="utf-8"))
COMMANDS = [
    name
    for name, parser in commands_of(make_parser()).items()
    if any("--json" in action.option_strings for action in actions_of(parser))
]
KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
KNOWN = {"$ref", "additionalProperties", "const", "enum", "items", "properties", "required", "type"}


def faults(value: Any, form: dict[str, Any], place: str = "$") -> Iterator[str]:
    """Where a value is not of a form, for the words of JSON Schema in KNOWN."""
    assert form.keys() <= KNOWN, form.keys() - KNOWN
    if "$ref" in form:
        yield from faults(value, FORMS["$defs"][form["$ref"].rpartition("/")[2]], place)
    if "const" in form and value != form["const"]:
        yield f"{place} is {value!r}"
    if "enum" in form and value not in form["enum"]:
        yield f"{place} is {value!r}"
    if "type" in form and not any(is_of(value, kind) for kind in listed(form["type"])):
        yield f"{place} is {value!r:.60}, not {form['type']}"
    elif isinstance(value, dict):
        yield from faults_inside(value, form, place)
    elif isinstance(value, list) and "items" in form:
        for i, item in enumerate(value):
            yield from faults(item, form["items"], f"{place}[{i}]")


def faults_inside(value: dict[str, Any], form: dict[str, Any], place: str) -> Iterator[str]:
    known = form.get("properties", {})
    for name in form.get("required", ()):
        if name not in value:
            yield f"{place} has no {name}"
    for name, inner in value.items():
        if name in known:
            yield from faults(inner, known[name], f"{place}.{name}")
        elif form.get("additionalProperties") is False:
            yield f"{place} has {name}"


def listed(kind: str | list[str]) -> list[str]:
    return [kind] if isinstance(kind, str) else kind


def is_of(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


SMALL, LARGE = "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"
CALLS: list[list[str]] = [
    ["fit", LARGE, "sleepstudy"],
    ["fit", SMALL, "sleepstudy", "--confint", "--ddf", "none"],
    ["fit", LARGE, "sleepstudy", "--confint", "wald", "--ml"],
    ["fit", "Reaction ~ Days + I(2 * Days) + (Days || Subject)", "sleepstudy", "--confint", "wald"],
    ["fit", "Yield ~ 1 + (1 | Batch)", "dyestuff2"],
    ["fit", "Reaction ~ 0 + (1 | Subject)", "sleepstudy"],
    ["predict", "large.mm"],
    ["predict", "large.mm", "new.csv", "--interval", "prediction", "--allow-new-levels"],
    ["predict", "large.mm", "new.csv", "--random", "none"],
    ["compare", "small.mm", "large.mm"],
    ["compare", "large.mm", "small.mm", "--ddf", "none"],
    ["emmeans", "machines.mm", "Machine"],
    ["emmeans", "machines.mm", "Machine", "--pairs", "--ddf", "none"],
    ["emmeans", "large.mm", "pairwise ~ Days", "--at", "Days=0,1,2"],
    ["sums", LARGE, "sleepstudy", "-o", "sums.mmsums"],
    ["merge", "a.mmsums", "b.mmsums", "-o", "c.mmsums"],
    ["fit", "--sums", "a.mmsums"],
    ["datasets"],
    ["datasets", "penicillin"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fits")
    machines = "score ~ Machine + (1 | Worker/Machine)"
    for name, formula, data in (
        ("small", SMALL, "sleepstudy"),
        ("large", LARGE, "sleepstudy"),
        ("machines", machines, "machines"),
    ):
        assert main(["fit", formula, data, "--save", str(made / f"{name}.mm")]) == 0
    data = load_dataset("sleepstudy")
    made_plan = plan(LARGE, data)
    for name, rows in (("a", data[:100]), ("b", data[100:])):
        cross_products(made_plan, rows).save(made / f"{name}.mmsums")
    text = "Days,Subject,Days,text,flag\n1,308,1.5,é,True\n,999,2,,False\n"
    (made / "new.csv").write_text(text.replace("Days,text", "n,text"), encoding="utf-8")
    return made


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_results_have_the_documented_form(
    call: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert main([*call, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(faults(result, FORMS["$defs"][call[0]])) == []


def test_every_command_with_json_has_a_form_and_is_tried() -> None:
    named = [form["$ref"].rpartition("/")[2] for form in FORMS["oneOf"]]
    assert sorted(named) == sorted(COMMANDS) == sorted({call[0] for call in CALLS})
    for name in COMMANDS:
        assert FORMS["$defs"][name]["properties"]["schema"] == {"const": SCHEMA}
        assert FORMS["$defs"][name]["properties"]["command"] == {"const": name}


def test_faults_are_found() -> None:
    form = FORMS["$defs"]["datasets"]
    assert list(faults({"schema": 1, "command": "datasets", "datasets": []}, form)) == []
    for wrong in (
        {"schema": 2, "command": "datasets", "datasets": []},
        {"schema": 1, "command": "datasets"},
        {"schema": 1, "command": "datasets", "datasets": [], "more": 1},
        {"schema": 1, "command": "datasets", "datasets": [{}]},
        {"schema": 1, "command": "datasets", "datasets": {}},
    ):
        assert list(faults(wrong, form))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_names_every_key(command: str) -> None:
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    section = page.split(f"### `{command}`\n")[1].split("\n#")[0]
    general = page.split("## JSON\n")[1].split("\n###")[0]
    named = set(re.findall(r"`(\w+)`", section + general))
    assert keys_of(FORMS["$defs"][command]) <= named


def keys_of(form: dict[str, Any]) -> set[str]:
    """All keys of the objects of a form."""
    if "$ref" in form:
        return keys_of(FORMS["$defs"][form["$ref"].rpartition("/")[2]])
    inner = [*form.get("properties", {}).values(), *([form["items"]] if "items" in form else [])]
    return set(form.get("properties", ())).union(*map(keys_of, inner))
