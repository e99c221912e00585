"""What the pages of flows are made of: plain functions of flows, rows and forms."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.actors.flows import Revision
from hookledger.api.console.flows.base import head_of
from hookledger.api.console.flows.diff import LINES_MAX, difference
from hookledger.api.console.flows.editor import placed, starters
from hookledger.api.console.flows.inputs import errors_of, fields_of, given_inputs, given_labels
from hookledger.api.console.flows.list import flow_row, kinds, summary
from hookledger.api.console.flows.sending import Unsendable, header_lines
from hookledger.api.console.flows.spark import HEIGHT, RUNS_MAX, WIDTH, spark_of
from hookledger.api.console.flows.trigger_words import brief, cron_words, facts, secret_names
from hookledger.api.console.forms import Form
from hookledger.api.console.pager import page_number, pager_of
from hookledger.journal.events import FlowRegistered
from hookledger.journal.figures import Run
from hookledger.runtime.flow.inputs import InputsInvalid, parse_inputs, resolve_inputs
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import parse_flow

LINES: Final = st.lists(st.sampled_from(["a", "b", "c", "", "  d: 1"]), max_size=30)


def flow(triggers: str) -> Flow:
    """A flow with these triggers."""
    return parse_flow(
        "id: f\nnamespace: t\ntasks:\n  - { id: a, type: io.kestra.plugin.core.log.Log, message: a }\n"
        f"triggers:\n{triggers}"
    )


def run(state: str, number: int = 0) -> Run:
    """A run that took a second."""
    return Run(
        execution=f"e{number}", state=state, started=number * 10_000_000, ended=number * 10_000_000 + 1
    )


# --- spark lines ----------------------------------------------------------------------------------------


def test_a_spark_line_ends_on_the_right_with_the_newest_run() -> None:
    """
    Bars stand in the order of time, the newest at the right edge, at most so many; a failure is higher than a success.
    """
    spark = spark_of([run("FAILED", 2), run("SUCCESS", 1)])
    old, new = spark.bars
    assert (old.style, new.style) == ("success", "failed")
    assert (old.x, new.x) == ((RUNS_MAX - 2) * WIDTH, (RUNS_MAX - 1) * WIDTH)
    assert new.height > old.height
    assert new.y + new.height == HEIGHT
    assert len(spark_of([run("SUCCESS", n) for n in range(50)]).bars) == RUNS_MAX


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "no runs yet"),
        (["FAILED"], "one run: 1 FAILED"),
        (["SUCCESS", "FAILED", "SUCCESS"], "the last 3 runs: 2 SUCCESS, 1 FAILED"),
    ],
)
def test_a_spark_line_is_said_in_words(states: list[str], text: str) -> None:
    """
    Who does not see the picture is told how many runs ended how.
    """
    assert spark_of([run(state) for state in states]).text == text


# --- lists ----------------------------------------------------------------------------------------------


def test_a_pager_keeps_the_filters() -> None:
    """
    Links to the neighbours carry what was searched for; there are none past either end.
    """
    first = pager_of("/p", {"q": "a&b", "namespace": ""}, page=1, size=2, total=3, noun="flows")
    last = pager_of("/p", {"q": "a&b"}, page=2, size=2, total=3, noun="flows")
    assert (first.summary, first.previous, first.next) == ("1–2 of 3 flows", "", "/p?q=a%26b&page=2")
    assert (last.summary, last.previous, last.next) == ("3–3 of 3 flows", "/p?q=a%26b&page=1", "")


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1e9", "٣", "9" * 40])
def test_what_is_no_page_is_the_first(text: str) -> None:
    """
    An address somebody typed never fails.
    """
    assert page_number(text) == 1


def test_a_summary_is_one_line() -> None:
    """
    The first line that says something, cut where it is too long for a list.
    """
    assert summary("\n  first \nsecond") == "first"
    assert len(summary("x" * 500)) == 140
    assert summary("") == ""


def test_disabled_triggers_are_no_kind() -> None:
    """
    The list says what starts a flow now, each kind once.
    """
    made = flow(
        "  - { id: a, type: io.kestra.plugin.core.trigger.Webhook, key: x }\n"
        "  - { id: b, type: io.kestra.plugin.core.trigger.Webhook, key: y }\n"
        "  - { id: c, type: io.kestra.plugin.core.trigger.Schedule, cron: '* * * * *', disabled: true }\n"
    )
    assert kinds(made.triggers) == ("Webhook",)


# --- differences ----------------------------------------------------------------------------------------


@given(LINES, LINES)
def test_a_difference_leads_from_one_text_to_the_other(old: list[str], new: list[str]) -> None:
    """
    Taking away what has a minus and adding what has a plus makes the new text of the old one, in both forms.
    """
    made = difference("\n".join(old), "\n".join(new))
    before, after = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    changed = {line.old: line.text for line in made.lines if line.sign == "-"}
    came = {line.new: line.text for line in made.lines if line.sign == "+"}
    kept = [text for number, text in enumerate(before, 1) if number not in changed]
    assert kept == [text for number, text in enumerate(after, 1) if number not in came]
    assert all(before[number - 1] == text for number, text in changed.items())
    assert all(after[number - 1] == text for number, text in came.items())
    assert (made.removed, made.added) == (len(changed), len(came))
    sides = [line for pair in made.pairs for line in (pair.old, pair.new) if line and line.sign in "+-"]
    assert sorted((line.sign, line.text) for line in sides) == sorted(
        [("-", text) for text in changed.values()] + [("+", text) for text in came.values()]
    )


def test_what_is_taken_away_stands_before_what_came() -> None:
    """
    The unified form shows a changed block as its old lines, then its new ones, with the numbers of both texts.
    """
    made = difference("a\nb\nc", "a\nx\ny\nc")
    assert [(line.sign, line.text, line.old, line.new) for line in made.lines] == [
        (" ", "a", 1, 1),
        ("-", "b", 2, 0),
        ("+", "x", 0, 2),
        ("+", "y", 0, 3),
        (" ", "c", 3, 4),
    ]


def test_unchanged_lines_far_away_are_left_out() -> None:
    """
    Around a change stand three lines; a gap says that there is more, before and after.
    """
    lines = [str(number) for number in range(30)]
    made = difference("\n".join(lines), "\n".join([*lines[:15], "new", *lines[15:]]))
    assert [line.text or line.sign for line in made.lines] == [
        "…",
        "12",
        "13",
        "14",
        "new",
        "15",
        "16",
        "17",
        "…",
    ]


def test_texts_that_are_too_long_are_not_compared() -> None:
    """
    Comparing takes quadratic time at worst, and anybody with the role may write a flow.
    """
    assert difference("a\n" * LINES_MAX, "b").too_long


# --- triggers in words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("7 * * * *", "every hour at minute 7"),
        ("30 6 * * *", "every day at 06:30"),
        ("0 7 * * 1-5", "Monday to Friday at 07:00"),
        ("0 7 * * 7", "every Sunday at 07:00"),
        ("0 0 1 * *", "on day 1 of the month at 00:00"),
        ("0 0 1 1 *", ""),
        ("0 0 * * MON", ""),
        ("0,5 * * * *", ""),
        ("0 0 0 * * *", ""),
    ],
)
def test_plain_cron_expressions_are_said_in_words(cron: str, words: str) -> None:
    """
    What is not plain is left as it stands rather than guessed.
    """
    assert cron_words(cron) == words


def test_a_webhook_is_said_in_words() -> None:
    """
    Every property an author set is a fact; what he did not set is none.
    """
    made = flow(
        "  - id: a\n    type: io.kestra.plugin.core.trigger.Webhook\n    key: x\n    methods: [POST]\n"
        "    wait: true\n    returnOutputs: true\n    timeout: PT20S\n"
        "    signature: { preset: GITHUB, secret: s }\n    deduplication: { window: P1D }\n"
        "    rateLimit: { limit: 5, period: PT1M, per: IP }\n    bodyLimit: 1MiB\n"
        "    authentication: [{ type: BASIC, username: u, password: hush }]\n"
        "    when: '{{ trigger.body.ok }}'\n    record: NONE\n"
        "    batch: { mode: SINGLE, items: '{{ trigger.body.events }}' }\n"
    ).triggers[0]
    told = dict(facts(made))
    assert told["Methods"] == "POST"
    assert told["Answer"] == "answers with the outputs when the execution has ended"
    assert told["Waits"] == "at most 20 s; then 202 and the execution goes on"
    assert told["Signature"] == "GITHUB in X-Hub-Signature-256"
    assert told["Duplicates"].endswith("for 1 d; a repeated one gets the first answer again")
    assert told["Rate"] == "5 in 1 min per address"
    assert told["Body"] == "at most 1 MiB"
    assert told["Credentials"] == "BASIC"
    assert told["Recorded"] == "no deliveries"
    assert told["Batch"] == "{{ trigger.body.events }}: one execution for all"
    assert told["Only when"] == "{{ trigger.body.ok }}"
    assert "hush" not in str(told)
    assert not {"Addresses", "Browsers", "Correlation", "Previous keys"} & set(told)


def test_other_triggers_are_said_in_words() -> None:
    """
    A schedule says when, a Flow trigger what it listens to.
    """
    made = flow(
        "  - { id: s, type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily', timezone: Europe/Paris }\n"
        "  - id: f\n    type: io.kestra.plugin.core.trigger.Flow\n"
        "    preconditions: { flows: [{ namespace: a, flowId: b, states: [FAILED] }] }\n"
    ).triggers
    assert brief(made[0]) == "every day at 00:00 (Europe/Paris)"
    assert brief(made[1]) == "after an execution of a/b ends in FAILED"


def test_the_secrets_of_a_key_are_found() -> None:
    """
    When a key cannot be rendered, whoever is on duty is told which secret is missing.
    """
    made = flow(
        "  - id: a\n    type: io.kestra.plugin.core.trigger.Webhook\n"
        '    key: "{{ secret(\'ONE\') }}-{{ secret( \\"TWO\\" ) }}"\n'
    )
    assert secret_names(made.triggers[0].settings.key) == ["ONE", "TWO"]


def test_a_flow_that_does_not_parse_is_marked() -> None:
    """
    A source that is not valid here (a task type is gone, say) keeps its name and its reason, and cannot be started.
    """
    registered = FlowRegistered(
        sequence=0, at=0, namespace="t", flow="f", revision=3, sha256="", source="id: f", by="user:a"
    )
    revision = Revision(registered=registered, flow=None, error="f.yaml:4:5: unknown type")
    head = head_of(revision, "overview", error=revision.error)
    row = flow_row(revision, [])
    assert (head.error, head.startable, head.disabled) == ("f.yaml:4:5: unknown type", False, False)
    assert (row.error, row.kinds, row.state) == ("f.yaml:4:5: unknown type", (), "")
    assert not head_of(revision, "overview", removed=True).startable


# --- the editor -----------------------------------------------------------------------------------------


def test_every_starter_is_a_valid_flow() -> None:
    """
    Whoever begins with one of ours begins without a mistake, and every one has a title.
    """
    made = [parse_flow(one.source) for one in starters()]
    assert len(made) >= 4
    assert all(one.title and not one.source.startswith("#") for one in starters())
    assert [flow.warnings for flow in made] == [()] * len(made)


def test_a_warning_knows_its_line() -> None:
    """
    The engine writes warnings as `file:line:column: text`; what has no place is about the whole text.
    """
    fault = placed("<flow>:3:5: say more", warning=True)
    assert (fault.line, fault.column, fault.message, fault.warning) == (3, 5, "say more", True)
    assert placed("no place").line == 0


# --- the form of inputs ---------------------------------------------------------------------------------

DECLARED: Final[list[dict[str, Any]]] = [
    {"id": "text", "type": "STRING", "defaults": "d"},
    {"id": "opt", "type": "STRING", "required": False},
    {"id": "secret", "type": "SECRET", "required": False},
    {"id": "number", "type": "INT", "min": 1, "max": 9},
    {"id": "flag", "type": "BOOLEAN", "defaults": True},
    {"id": "at", "type": "DATETIME", "required": False},
    {"id": "pick", "type": "SELECT", "values": ["a", "b"], "defaults": "b"},
    {
        "id": "many",
        "type": "MULTISELECT",
        "values": ["a", "b", "c"],
        "allowCustomValue": True,
        "required": False,
    },
    {"id": "data", "type": "JSON", "defaults": {"a": [1]}},
    {"id": "deep.inner", "type": "INT", "required": False},
    {"id": "later", "type": "STRING", "defaults": "{{ now() }}"},
]
INPUTS: Final = parse_inputs(DECLARED)[0]


def form(**fields: Any) -> Form:
    """A form with these inputs; dots are written `__`."""
    plain = {f"input.{name.replace('__', '.')}": value for name, value in fields.items()}
    return Form({name: value if isinstance(value, list) else [value] for name, value in plain.items()})


def test_the_form_begins_with_the_defaults() -> None:
    """
    What has a default shows it; an expression is worked out when the flow starts, so its field is empty and says so.
    """
    fields = {one.id: one for one in fields_of(INPUTS)}
    assert (fields["text"].value, fields["flag"].value, fields["pick"].value) == ("d", "true", "b")
    assert fields["data"].value.replace(" ", "").replace("\n", "") == '{"a":[1]}'
    assert fields["later"].value == ""
    assert "{{ now() }}" in fields["later"].hint
    assert [one.id for one in fields.values() if one.required] == ["number"]
    assert (fields["number"].low, fields["number"].high) == ("1", "9")


def test_what_was_typed_becomes_the_inputs() -> None:
    """
    Empty fields are not given, a cleared default is given as empty, a local time is taken as UTC, choices are a list;
    the engine takes all of it.
    """
    given_ = given_inputs(
        INPUTS,
        form(
            text="",
            opt="",
            number="5",
            flag="false",
            at="2026-01-02T03:04",
            many=["a", "c"],
            data='{"x":1}',
            deep__inner="7",
            later="",
            **{"many.other": "z, y"},
        ),
    )
    assert given_ == {
        "text": "",
        "number": "5",
        "flag": "false",
        "at": "2026-01-02T03:04Z",
        "many": ["a", "c", "z", "y"],
        "data": '{"x":1}',
        "deep.inner": "7",
    }
    resolved = resolve_inputs(INPUTS[:-1], given_)
    assert resolved["number"] == 5
    assert resolved["at"] == "2026-01-02T03:04:00.000000Z"
    assert resolved["deep"] == {"inner": 7}


def test_errors_stand_at_their_field_and_values_stay() -> None:
    """
    Every problem finds the input it belongs to; what was typed is there again, except for a secret.
    """
    typed = form(number="10", many=["a"], secret="hush", deep__inner="x")
    try:
        resolve_inputs(INPUTS, given_inputs(INPUTS, typed), render=lambda text, known: "now")
        problems: tuple[Any, ...] = ()
    except InputsInvalid as error:
        problems = error.problems
    fields = {one.id: one for one in fields_of(INPUTS, typed, errors_of(INPUTS, problems))}
    assert "max" in fields["number"].error
    assert fields["deep.inner"].error
    assert fields["number"].value == "10"
    assert fields["many"].values == ("a",)
    assert fields["secret"].value == ""
    assert fields["text"].error == ""


@pytest.mark.parametrize(
    ("text", "labels", "problem"),
    [
        ("", {}, ""),
        ("a: b\n\n c : d:e ", {"a": "b", "c": "d:e"}, ""),
        ("a", {}, "line 1"),
        ("a: b\n: c", {}, "line 2"),
        ("system.from: me", {}, "set by the engine"),
    ],
)
def test_labels_are_read_line_by_line(text: str, labels: dict[str, str], problem: str) -> None:
    """
    A mistake names its line; names of the engine's own are refused.
    """
    found, wrong = given_labels(text)
    assert found == labels
    assert problem in wrong
    assert bool(wrong) == bool(problem)


# --- tests of webhooks ----------------------------------------------------------------------------------


def test_headers_are_read_line_by_line() -> None:
    """
    A line is a name and a value; empty lines are nothing.
    """
    assert header_lines("X-A: 1\n\n  x-b :  two words\n") == [("X-A", "1"), ("x-b", "two words")]


@pytest.mark.parametrize("line", ["no colon", ": value", "a b: c", "X: \x01", "X: a\x7fb", "ü: x"])
def test_what_is_no_header_is_refused(line: str) -> None:
    """
    Nothing that a request cannot carry gets into one; the message names the line.
    """
    with pytest.raises(Unsendable, match="line 2"):
        header_lines(f"X-A: 1\n{line}")


def test_a_line_feed_ends_every_line_of_a_form() -> None:
    """
    Browsers send CR LF; a flow's source has the line ends its author sees.
    """
    read: Callable[[str], str] = Form({"source": ["a\r\nb\n"]}).get
    assert read("source") == "a\nb\n"
    assert read("nothing") == ""
