"""Reading the forms of pages."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from hookledger.api.call import Call


class Form:
    """The fields of a posted form; lines end with a line feed, whatever the browser made of them."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value.replace("\r\n", "\n") for value in self._fields.get(name, ())]


async def form_of(call: Call) -> Form:
    """Read a form (application/x-www-form-urlencoded).

    Raises:
        BodyTooLarge: It is larger than any page's form.
    """
    text = (await call.body()).decode("utf-8", "replace")
    return Form(parse_qs(text, keep_blank_values=True))
