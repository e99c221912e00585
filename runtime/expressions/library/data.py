"""JSON, YAML, Ion and jq."""

from decimal import Decimal

from hookledger.runtime.expressions.formats.jsontext import read_json
from hookledger.runtime.expressions.formats.yamltext import read_yaml, write_yaml
from hookledger.runtime.expressions.library.arguments import boolean_of, list_of, map_of, text_of
from hookledger.runtime.expressions.library.registry import FILTERS, FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import to_json as write_json
from hookledger.runtime.expressions.values import MapEntry, Value, is_list, is_map, made


@FILTERS("toJson json jsonEncode")
def to_json(run: Run, value: Value) -> str:
    """Compact JSON."""
    return (
        "null"
        if value is None
        else write_json(run, value)
        if is_map(value) or is_list(value)
        else scalar(run, value)
    )


def scalar(run: Run, value: Value) -> str:
    """The JSON of a single value: the element of a list of one."""
    return write_json(run, [value])[1:-1]


@FUNCTIONS("fromJson json", "json")
def from_json(run: Run, value: Value) -> Value:
    """The value a JSON text holds."""
    return None if value is None else read_json(run.letters(text_of(value, "`fromJson`")), nulls=True)


@FILTERS("yaml")
def to_yaml(run: Run, value: Value) -> str:
    """YAML with a line feed at its end."""
    return "null" if value is None else write_yaml(run, value)


@FUNCTIONS("yaml", "yaml")
def from_yaml(run: Run, value: Value) -> Value:
    """The value a YAML text holds."""
    return read_yaml(run, run.letters(text_of(value, "`yaml`")))


@FILTERS("toIon")
def to_ion(run: Run, value: Value) -> str:
    """Ion text."""
    from hookledger.runtime.expressions.formats.iontext import write_ion

    return write_ion(run, value)


@FUNCTIONS("fromIon", "ion", "allRows?")
def from_ion(run: Run, value: Value, all_rows: Value = None) -> Value:
    """The value an Ion text holds, or with `allRows` a list of all its values."""
    from hookledger.runtime.expressions.formats.iontext import read_ion, read_ion_rows

    every = all_rows is not None and boolean_of(all_rows, "`allRows`")
    if value is None:
        return None
    return (read_ion_rows if every else read_ion)(run, run.letters(text_of(value, "`fromIon`")))


@FILTERS("jq", "expression")
def jq(run: Run, value: Value, expression: Value) -> Value:
    """All results of a jq program."""
    from hookledger.runtime.expressions.formats.jq import compiled, run_jq

    if value is None:
        return None
    program = text_of(expression, "`jq`")
    data = json_of(run.letters(value)) if isinstance(value, str) else without_nulls(run, value)
    return with_nulls(run, run_jq(run, compiled(program), data))


def json_of(text: str) -> Value:
    """The JSON that a program gets as text; of blank text that is null."""
    return read_json(text) if text.strip(" \t\r\n") else None


def with_nulls(run: Run, value: Value) -> Value:
    """What a program made, so that its null entries exist."""
    run.spend(1)
    if is_map(value):
        return made({key: with_nulls(run, one) for key, one in value.items()})
    return [with_nulls(run, one) for one in value] if is_list(value) else value


def without_nulls(run: Run, value: Value) -> Value:
    """What JSON of a value would hold: no null entries in maps."""
    run.spend(1)
    value = value.as_map() if isinstance(value, MapEntry) else value
    if is_map(value):
        return {
            str(key): without_nulls(run, one) for key, one in map_of(value, "`jq`").items() if one is not None
        }
    if isinstance(value, Decimal):
        return float(value)
    return [without_nulls(run, one) for one in list_of(value, "`jq`")] if is_list(value) else value


@FUNCTIONS("loopOutputs", "outputs", "name")
def loop_outputs(_run: Run, outputs: Value, name: Value) -> list[Value]:
    """One named output of every iteration of a loop."""
    wanted = text_of(name, "the name of `loopOutputs`")
    return [one_output(one, wanted) for one in list_of(outputs, "`loopOutputs`")]


def one_output(iteration: Value, name: str) -> Value:
    """A named output of one iteration, null when it has none."""
    outputs = iteration.get("outputs") if is_map(iteration) else None
    return outputs.get(name) if is_map(outputs) else None
