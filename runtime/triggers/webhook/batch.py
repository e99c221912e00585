"""`batch`: from what an author's expression gave to the items of a delivery. Pure."""

import json
from typing import Any, Final, NoReturn

from hookledger.runtime.triggers.received import whole_characters

ITEMS_MAX: Final = 1000


class BatchInvalid(ValueError):
    """The delivery has no such items; the message says why."""


def items_of(value: Any) -> list[Any]:
    """The items of a list, or of the JSON text of one; an object is a batch of one.

    Raises:
        BatchInvalid: It is something else, or has too many items.
    """
    plain = _parsed(value) if isinstance(value, str) else value
    items = [plain] if isinstance(plain, dict) else plain
    if not isinstance(items, list):
        raise BatchInvalid("the items of this batch are no list")
    if len(items) > ITEMS_MAX:
        raise BatchInvalid(f"a batch has at most {ITEMS_MAX} items, this one has {len(items)}")
    return items


def item_body(item: Any) -> bytes:
    """What stands in the place of the delivery's body: the item alone, as JSON.

    Raises:
        BatchInvalid: It is nested too deeply.
    """
    try:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError as error:
        raise BatchInvalid("the items of this batch are nested too deeply") from error


def _parsed(text: str) -> Any:
    try:
        return whole_characters(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError) as error:
        raise BatchInvalid("the items of this batch are no JSON") from error


def _finite(text: str) -> float:
    number = float(text)
    return number if number - number == 0 else _refuse(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
