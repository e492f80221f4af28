"""The directive `members-of`: the public members of one class, documented under another's name.

The methods of a fit come from one class per role, which users do not see. `.. members-of::
mixedmodels.fit.tidying.Tidying mixedmodels.LinearMixedFit` documents those that the first class
defines as members of the second, so a new method is on the site as soon as it exists. With
`:only:` it takes the names given, with `:except:` all others. Two handlers make docstrings and
signatures readable.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class MembersOf(SphinxDirective):
    """Expands to one autodoc directive per member, in the order of the source."""

    required_arguments = 2
    option_spec: ClassVar = {"only": directives.unchanged, "except": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Write the directives and parse them in place."""
        source, shown = self.arguments
        module, _, name = source.rpartition(".")
        owner = getattr(import_module(module), name)
        text: list[str] = []
        for member in filter(self._wanted, vars(owner)):
            kind = "method" if callable(getattr(owner, member)) else "property"
            if isinstance(inspect.getattr_static(owner, member), classmethod | staticmethod):
                kind = "method"
            text += [f".. auto{kind}:: {shown}.{member}", ""]
        return self.parse_text_to_nodes(StringList(text, source=source))

    def _wanted(self, member: str) -> bool:
        if member.startswith("_"):
            return False
        if "only" in self.options:
            return member in self.options["only"].split()
        return member not in self.options.get("except", "").split()


def keep_colons(*given: Any) -> None:
    """Begin the docstring of a property with a comment.

    Napoleon takes what precedes a colon in its first line for a type.
    """
    _, what, *_, lines = given
    if what in ("property", "attribute") and lines:
        lines[:0] = [".. begin", ""]


def short_aliases(*given: Any) -> tuple[str, str] | None:
    """Write the aliases of `autodoc_type_aliases` as they are in the source."""
    *_, signature, returned = given
    if signature is None or "TypeAliasForwardRef" not in f"{signature}{returned}":
        return None
    short = [re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text or "") for text in given[-2:]]
    return short[0], short[1]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the handlers."""
    app.add_directive("members-of", MembersOf)
    # Napoleon's own handler has the priority 500.
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-signature", short_aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
