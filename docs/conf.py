"""How the documentation is built: ``make docs``."""

from importlib.metadata import version as version_of

project = "offramp"
author = "the offramp developers"
project_copyright = "the offramp developers, Apache-2.0"
release = version_of("offramp")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# The reproduction's tables are measured texts, not pages of a book.
suppress_warnings = ["myst.header"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Members", "params_style"), ("Source", "notes_style")]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "offramp"
html_theme_options = {"source_view_link": "", "top_of_page_buttons": []}
html_copy_source = False
html_show_sourcelink = False
