"""jq programs, for now run by libjq."""

import json
from functools import lru_cache

import jq

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.values import Value


@lru_cache(maxsize=256)
def compiled(program: str) -> "jq._Program":
    return jq.compile(program)


def run_jq(program: str, value: Value) -> list[Value]:
    try:
        return compiled(program).input_text(json.dumps(value)).all()
    except ValueError as error:
        raise WrongValue(f"jq: {error}") from error
