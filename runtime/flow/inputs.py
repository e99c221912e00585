"""Typed inputs and outputs of a flow: declaring them, and giving them values.

The declarations are in `input_types`, reading them in `input_parsing`, values in
`input_resolving` and `coercion`. This module is the way in.
"""

from hookledger.runtime.flow.coercion import ValueRejected
from hookledger.runtime.flow.input_parsing import parse_inputs, parse_outputs
from hookledger.runtime.flow.input_resolving import (
    Examined,
    InputsInvalid,
    OutputsInvalid,
    examine_inputs,
    resolve_inputs,
    resolve_outputs,
)
from hookledger.runtime.flow.input_types import (
    INPUT_TYPES,
    ITEM_TYPES,
    AnyInput,
    ArrayInput,
    BooleanInput,
    DateInput,
    DatetimeInput,
    DependsOn,
    DurationInput,
    EmailInput,
    EnumInput,
    FileInput,
    FloatInput,
    Input,
    IntInput,
    JsonInput,
    MultiselectInput,
    Output,
    SecretInput,
    SelectInput,
    StringInput,
    TimeInput,
    UriInput,
    YamlInput,
)
from hookledger.runtime.flow.rendering import Render, RenderFailed

__all__ = [
    "INPUT_TYPES",
    "ITEM_TYPES",
    "AnyInput",
    "ArrayInput",
    "BooleanInput",
    "DateInput",
    "DatetimeInput",
    "DependsOn",
    "DurationInput",
    "EmailInput",
    "EnumInput",
    "Examined",
    "FileInput",
    "FloatInput",
    "Input",
    "InputsInvalid",
    "IntInput",
    "JsonInput",
    "MultiselectInput",
    "Output",
    "OutputsInvalid",
    "Render",
    "RenderFailed",
    "SecretInput",
    "SelectInput",
    "StringInput",
    "TimeInput",
    "UriInput",
    "ValueRejected",
    "YamlInput",
    "examine_inputs",
    "parse_inputs",
    "parse_outputs",
    "resolve_inputs",
    "resolve_outputs",
]
