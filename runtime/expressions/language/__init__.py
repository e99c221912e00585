"""The grammar: from a template's text to Jinja2 nodes to a compiled function."""
