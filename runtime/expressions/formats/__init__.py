"""Notations and their rules: JSON, YAML, Ion, regular expressions, number and date patterns."""
