"""The truth rule of task-level conditions (`runIf`, `when`, `If.condition`).

They look at the rendered text. Inside a template another rule holds: see `operators.truth`.
"""

FALSE_TEXTS = frozenset({"", "false", "0", "-0"})


def truthy(text: str | None) -> bool:
    """Say whether the rendered text of a condition means yes."""
    return text is not None and text not in FALSE_TEXTS
