"""Settings of the site: `./check docs` builds it, `build/site/index.html` is its first page."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "mixedmodels"
author = "mixedmodels developers"
release = version_of("mixedmodels")
version = release
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "members"]
exclude_patterns = ["_extensions"]

# Formulas are written as $...$ and $$...$$; headings up to the third level can be linked to.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Docstrings mark code by single backticks, as Markdown does.
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    "npt.ArrayLike": "ArrayLike",
    **{name: name for name in ("FloatArray", "LongArray", "AnyArray", "Seed", "Spec")},
}
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "mixedmodels"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False

# Shapes such as (n, p) in docstrings are not names of attributes.
suppress_warnings = ["ref.python"]
