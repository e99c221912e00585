"""Pages of a list for handlers that read the query themselves."""

from collections.abc import Mapping

from hookledger.api.http import HttpResponse, problem
from hookledger.api.queries import Paged, QueryInvalid, read_query


def page_of(parameters: Mapping[str, list[str]]) -> Paged | HttpResponse:
    """Read `page` (from 1) and `size`, or say what is wrong with them."""
    own = {name: parameters[name] for name in ("page", "size") if name in parameters}
    try:
        return read_query(Paged, own)
    except QueryInvalid as error:
        return problem(400, str(error), slug="bad-parameter")
