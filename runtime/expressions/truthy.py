"""The truth rule of task-level conditions (`runIf`, `when`, `If.condition`).

They look at the rendered text. Inside a template another rule holds: see `operators.truth`.
"""

SPACE = "".join(
    map(chr, range(0x21))
)  # what the engines trim: up to the space, so a no-break space is a text
FALSE_TEXTS = frozenset({"", "false", "0", "-0"})


def truthy(text: object) -> bool:
    """Say whether a rendered condition means yes; white space around it does not count.

    A value that an author wrote as a YAML number or boolean is taken as its text.
    """
    if isinstance(text, bool):
        return text
    return text is not None and str(text).strip(SPACE) not in FALSE_TEXTS
