"""Sphinx builds these pages so. Every warning is an error: `sphinx-build -W docs .venv/docs/html`."""

from importlib.metadata import version as installed

project = "voicestt"
author = "the authors of voicestt"
project_copyright = "MIT licence"
release = version = installed("voicestt")

extensions = ["myst_parser", "sphinx.ext.doctest"]
source_suffix = {".md": "markdown"}
# A link to a heading is checked like a link to a page.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
nitpicky = True

html_theme = "furo"
html_title = "voicestt"
html_static_path = ["_static"]
html_show_sourcelink = False
html_copy_source = False

# The examples of the pages write into a folder of their own.
doctest_global_setup = """
import os, tempfile
_here, _folder = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_folder.name)
"""
doctest_global_cleanup = """
os.chdir(_here)
_folder.cleanup()
"""
