"""How large plain data is, found without writing it down."""

import json

import pytest

from hookledger.runtime.weights import weight

ENOUGH = 10**9


@pytest.mark.parametrize(
    "value",
    ["x" * 1000, ["ab"] * 500, {"a": ["x" * 300, {"b": "y" * 300}]}, [list(range(50))] * 20, b"x" * 900],
)
def test_weights_are_about_the_length_of_json(value: object) -> None:
    """
    A weight is between a third and three times the length of the JSON.
    """
    length = len(value) if isinstance(value, bytes) else len(json.dumps(value))
    assert length / 3 < weight(value, ENOUGH) < length * 3


def test_weighing_ends_when_it_is_enough() -> None:
    """
    A list is not gone through when its length alone is enough.
    """

    class Watched(list[str]):
        looked = 0

        def __iter__(self):  # type: ignore[no-untyped-def]
            Watched.looked += 1
            return super().__iter__()

    assert weight(Watched(["x"] * 1000), 100) >= 100
    assert Watched.looked == 0
