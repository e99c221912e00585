"""Items of a batch: whatever a sender or an expression gives, it is taken apart or refused, and nothing is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.batch import ITEMS_MAX, BatchInvalid, item_body, items_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
WELL = st.characters(exclude_categories=["Cs"])


@given(st.lists(VALUES, max_size=8))
def test_items_come_back_as_they_were(items: list[object]) -> None:
    """
    The JSON text of a list is taken apart into its items; each one's body is that item and no more.
    """
    found = items_of(json.dumps(items))
    assert found == items
    assert [json.loads(item_body(item)) for item in found] == items


@given(st.text(alphabet=WELL))
def test_any_text_is_items_or_refused(text: str) -> None:
    """
    No text raises anything else than BatchInvalid.
    """
    try:
        assert isinstance(items_of(text), list)
    except BatchInvalid:
        return


@pytest.mark.parametrize("text", ["", "5", "null", "[NaN]", "[1e999]", "[" * 100_000, "[1", '"[]"'])
def test_what_is_no_list_is_refused(text: str) -> None:
    """
    Scalars, broken JSON, numbers that are none and endless nesting are no batch.
    """
    with pytest.raises(BatchInvalid):
        items_of(text)


def test_the_number_of_items_is_bounded() -> None:
    """
    A batch has at most ITEMS_MAX items; one object is a batch of one; halves of characters become U+FFFD.
    """
    assert len(items_of([0] * ITEMS_MAX)) == ITEMS_MAX
    with pytest.raises(BatchInvalid, match="at most 1000"):
        items_of([0] * (ITEMS_MAX + 1))
    assert items_of('{"a": 1}') == [{"a": 1}]
    assert items_of('["\\ud800"]') == ["\ufffd"]
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(BatchInvalid, match="too deeply"):
        item_body(nested)
