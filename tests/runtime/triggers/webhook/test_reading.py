"""The webhook's properties when a flow is loaded: every mistake at once, each at its line."""

import pytest

from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.triggers.webhook import WebhookSettings

HEAD = (
    "id: f\nnamespace: t\ntasks:\n  - {id: a, type: io.kestra.plugin.core.debug.Return}\n"
    "triggers:\n  - id: w\n    type: io.kestra.plugin.core.trigger.Webhook\n    key: k\n"
)
FIRST = HEAD.count("\n") + 1


def problems(*lines: str) -> list[tuple[int, str]]:
    """Line (1 is the first of `lines`) and message of each problem."""
    with pytest.raises(FlowInvalid) as caught:
        parse_flow(HEAD + "".join(f"    {line}\n" for line in lines))
    return [(problem.line - FIRST + 1, problem.message) for problem in caught.value.problems]


WRONG = [
    ("signature: {preset: GITHUP, secret: x}", "did you mean GITHUB"),
    ("signature: {preset: GITHUB}", "`secret` is required"),
    ("authentication: [{type: BASIC, username: u}]", "`password` is required"),
    ("allowedIps: [300.1.2.3]", "is not an address or network"),
    ("allowedIps: []", "let nobody in"),
    ("methods: [GRAB]", "`GRAB` cannot start a flow"),
    ("methods: []", "no request at all"),
    ("bodyLimit: a lot", "is not a size"),
    ("accept: [json]", "is not a media type"),
    ("schema: order.schema.json", "paste the schema"),
    ("schema: {type: thing}", "`type`"),
    ("cors: {origins: ['*'], credentials: true}", "cannot be true with origin *"),
    ("rateLimit: {limit: 0}", "must be at least 1"),
    ("deduplication: {window: soon}", "is not an ISO-8601 duration"),
    ("deduplication: {onDuplicate: MAYBE}", "onDuplicate"),
    ("handshake: [WEBSUB]", "`topics` is required"),
    ("authentication: [{type: MTLS}]", "takes anybody's certificate"),
    ("authentication: [{type: MTLS, subject: [CN=a]}]", "did you mean `subjects`"),
    ("handshake: [{type: METTA}]", "META, SLACK"),
    ("handshake: [{type: META}]", "`verifyToken` is required"),
    ("onMismatch: {code: 99}", "from 200 to 499"),
    ("redact: {pointers: [card]}", "begins with /"),
    ("previousKeys: [{key: a, expires: tomorrow}]", "is not a time"),
    ("previousKeys: [{key: k, expires: '2030-01-01T00:00:00Z'}]", "has the same key"),
    ("batch: {items: entry}", "is an expression that gives a list"),
    ('batch: {item: "{{ trigger.body }}"}', "did you mean `items`"),
    ("batch: {mode: MANY}", "SINGLE or EACH"),
    ("batch: [1]", "expected a mapping"),
    ("charset: latin-99", "`latin-99` is no charset"),
    ("cloudEvents: MAYBE", "AUTO, REQUIRED or OFF"),
    ("cloudEvents: {mode: AUTO, alowedOrigins: [a]}", "did you mean `allowedOrigins`"),
    ("allowedRate: 5", "goes with `allowedOrigins`"),
    ("allowedOrigins: [a]\n    cloudEvents: {mode: AUTO}", "not both"),
    ("maxPending: 0", "1"),
    ("cloudEvents: {allowedRate: 5}", "goes with `allowedOrigins`"),
    ('correlation: "{{ trigger. }}"', ""),
    ("labels: {system.from: me}", "set by the engine"),
    ("wait: '{{ trigger.body }}'", "must be true or false"),
    ("disabled: '{{ true }}'", "must be true or false"),
    ("wait: true\n    responseCode: '700'", "from 200 to 599"),
    ("wait: true\n    batch: {items: '{{ trigger.body }}'}", "or use `mode: SINGLE`"),
    ("rawBody: true\n    batch: {}", "the whole delivery"),
    ("fetchType: store\n    batch: {mode: SINGLE}", "needs the body in memory"),
    ("record: SOME", "known here: ACCEPTED, ALL, NONE"),
    ("timeout: PT5S", "needs the answer to wait"),
    ("response: {on: COMPLETED}", "add `wait: true`"),
    ("response: {code: 99}", "from 200 to 599"),
    ("response: {headers: {Content-Length: '1'}}", "cannot be set by a flow"),
    ("response: {headers: {set-Cookie: 'a=b'}}", "browsers keep it for the whole origin"),
    ("response: {headers: {Clear-Site-Data: '*'}}", "browsers keep it for the whole origin"),
    ('response: {headers: {X: "a\\r\\nb"}}', "line break"),
    ("cloudEvents: SOMETIMES", "SOMETIMES"),
    ("fetchType: STORE\n    schema: true", "needs the body in memory"),
    ("signatur: {}", "did you mean `signature`"),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_a_mistake_is_named_at_its_line(line: str, message: str) -> None:
    """
    One wrong property is one problem on its line that says what to write instead.
    """
    (found,) = problems(line)
    assert message in found[1]
    assert found[0] in (1, 2)


def test_all_mistakes_are_listed_at_once() -> None:
    """
    Several mistakes in several blocks are all there, in the order of the file.
    """
    found = problems(
        "wait: true",
        "signature: {preset: NONE, secret: ''}",
        "deduplication: {window: x}",
        "response: {on: nothing, code: 7}",
    )
    assert [line for line, _ in found] == [2, 2, 3, 4]


def test_a_responder_must_exist() -> None:
    """
    `response.on` is RECEIVED, COMPLETED or the id of a task of the flow.
    """
    assert problems("wait: true", "response: {on: b}") == [
        (2, "there is no task `b`; known here: COMPLETED, RECEIVED, a")
    ]
    parse_flow(HEAD + "    wait: true\n    response: {on: a}\n")


def test_yes_and_no_may_be_texts() -> None:
    """
    A quoted `'false'` is false, and names of `fetchType` are taken in either case, as they are elsewhere.
    """
    text = HEAD + "    wait: 'false'\n    disabled: 'false'\n    rawBody: 'true'\n    fetchType: fetch\n"
    trigger = parse_flow(text).triggers[0]
    assert isinstance(trigger.settings, WebhookSettings)
    assert (trigger.disabled, trigger.settings.wait, trigger.settings.raw_body) == (False, False, True)
    assert trigger.settings.fetch == "FETCH"


def test_what_other_triggers_have_is_taken_with_a_warning() -> None:
    """
    Properties of Kestra's triggers that mean nothing for a webhook load, and a warning says what to use.
    """
    lines = (
        "allowConcurrent: false",
        "minLogLevel: INFO",
        "version: '1'",
        "assets: {}",
    )
    flow = parse_flow(HEAD + "".join(f"    {line}\n" for line in lines))
    places = sorted(int(warning.split(":")[1]) - FIRST for warning in flow.warnings)
    assert places == [0, 1, 2, 3]


def test_a_plain_webhook_has_the_defaults() -> None:
    """
    Without further properties nothing is configured, so nothing is checked.
    """
    settings = parse_flow(HEAD).triggers[0].settings
    assert isinstance(settings, WebhookSettings)
    assert settings == WebhookSettings(key=settings.key)
