"""What expressions see of what tasks gave."""

from hookledger.runtime.expressions import render
from hookledger.runtime.state import Run, State
from hookledger.runtime.variables import outputs


def test_headers_of_answers_are_found_in_any_spelling() -> None:
    """
    The headers of a request's answer keep their spelling when they are shown, and are found in any.
    """
    answer = {"uri": "http://h", "code": 200, "headers": {"Content-Type": ["text/plain"]}}
    seen = {"outputs": outputs(State(runs={"r": Run(path="r", task="r", state="SUCCESS", outputs=answer)}))}
    for name in ("Content-Type", "content-type", "CONTENT-TYPE"):
        assert render(f"{{{{ outputs.r.headers['{name}'][0] }}}}", seen) == "text/plain"
    assert render("{{ outputs.r.headers | keys | first }}", seen) == "Content-Type"
