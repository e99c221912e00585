"""What a trigger does, in words: one line for lists, and the properties of a webhook as facts."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from hookledger.api.console.filters import clock, duration, size
from hookledger.runtime.durations import parse_duration
from hookledger.runtime.flow.model import Trigger
from hookledger.runtime.flow.templates import Tree, source_of
from hookledger.runtime.triggers.after_flow import AfterFlowSettings, Upstream
from hookledger.runtime.triggers.schedule import ScheduleSettings
from hookledger.runtime.triggers.webhook import RECEIVED, WebhookSettings

Fact = tuple[str, str]
DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_RECORDED: Final = {"ALL": "", "ACCEPTED": "only what is accepted", "NONE": "no deliveries"}
_SECRET: Final = re.compile(r"""secret\(\s*['"]([^'"]+)['"]""")
_ASKS: Final = re.compile(r"\bsecret\s*\(")
_DUPLICATES: Final = {
    "REPLAY": "gets the first answer again",
    "IGNORE": "is acknowledged and starts nothing",
    "REJECT": "is refused with 409",
}


def brief(trigger: Trigger) -> str:
    """A trigger in one line."""
    match trigger.settings:
        case WebhookSettings() as webhook:
            signed = f", signed as {webhook.signature.scheme.recipe.preset}" if webhook.signature else ""
            return f"{', '.join(webhook.methods)}{signed}; {_answer(webhook)}"
        case ScheduleSettings() as schedule:
            return schedule_words(schedule)
        case AfterFlowSettings() as after:
            return "after " + " or ".join(_upstream(one) for one in after.upstream)
        case _:
            return trigger.type


def facts(trigger: Trigger) -> list[Fact]:
    """Everything a trigger's author set, as name and words."""
    settings = trigger.settings
    if isinstance(settings, WebhookSettings):
        own = [(name, text) for name, word in _WEBHOOK if (text := word(settings))]
    elif isinstance(settings, ScheduleSettings):
        own = list(_schedule(settings))
    else:
        own = [("Starts", brief(trigger))]
    return [*own, *_common(trigger)]


def secret_names(tree: Tree) -> list[str]:
    """The secrets that an expression asks for by name."""
    return list(dict.fromkeys(_SECRET.findall(str(source_of(tree)))))


def uses_secrets(tree: Tree) -> bool:
    """Whether an expression asks for a secret of the server."""
    return _ASKS.search(str(source_of(tree))) is not None


# --- webhooks -------------------------------------------------------------------------------------------


def _answer(webhook: WebhookSettings) -> str:
    response = webhook.response
    if response is not None and response.streams:
        return "answers with the progress as a stream of events"
    if response is not None and response.on not in (RECEIVED, "COMPLETED"):
        return f"answers when the task {response.on} has ended"
    if not webhook.wait:
        return "answers at once"
    what = "outputs" if webhook.return_outputs else "execution"
    return f"answers with the {what} when the execution has ended"


def _waiting(webhook: WebhookSettings) -> str:
    if not webhook.wait:
        return ""
    longest = f"at most {duration(webhook.timeout)}" if webhook.timeout else "as long as the server allows"
    after = "202 and the execution goes on" if webhook.on_timeout == "ACCEPTED" else "504"
    return f"{longest}; then {after}"


def _shape(webhook: WebhookSettings) -> str:
    parts = []
    if webhook.response_code is not None:
        parts.append(f"status {source_of(webhook.response_code)}")
    if webhook.response_content_type:
        parts.append(webhook.response_content_type)
    if webhook.response is not None:
        parts.append("an answer of the author's own")
    return ", ".join(parts)


def _signature(webhook: WebhookSettings) -> str:
    if webhook.signature is None:
        return ""
    recipe = webhook.signature.scheme.recipe
    headers = ", ".join(name for family in recipe.families for name in family.signature)
    where = f" in {headers}" if headers else ""
    count = len(webhook.signature.secrets)
    keys = f"; {count} secrets are taken" if count > 1 else ""
    return f"{recipe.preset}{where}{keys}"


def _deduplication(webhook: WebhookSettings) -> str:
    rule = webhook.deduplication
    if rule is None:
        return ""
    key = source_of(rule.key) if rule.key is not None else "the sender's own id, else Idempotency-Key"
    needed = "; a delivery without a key is refused" if rule.required else ""
    return f"by {key} for {duration(rule.window)}; a repeated one {_DUPLICATES[rule.on_duplicate]}{needed}"


def _rate(webhook: WebhookSettings) -> str:
    limit = webhook.rate_limit
    if limit is None:
        return ""
    period = duration(parse_duration(limit.period))
    per = {"TRIGGER": "together", "IP": "per address"}.get(limit.per, f"per {limit.per}")
    burst = f", bursts up to {limit.burst}" if limit.burst else ""
    pending = f", {limit.max_pending} under way at once" if limit.max_pending else ""
    return f"{limit.limit} in {period} {per}{burst}{pending}"


def _body(webhook: WebhookSettings) -> str:
    kept = {"STORE": "kept as a file", "NONE": "not read", "FETCH": ""}[webhook.fetch]
    limit = f"at most {size(webhook.body_limit)}" if webhook.body_limit else ""
    strict = "strict JSON" if webhook.strict_json else ""
    schema = "must fit a JSON schema" if webhook.schema is not None else ""
    raw = "its bytes are kept as sent" if webhook.raw_body else ""
    return ", ".join(part for part in (limit, kept, ", ".join(webhook.accept), strict, schema, raw) if part)


def _authentication(webhook: WebhookSettings) -> str:
    ways = [source_of(way) for way in webhook.authentication]
    return " or ".join(f"{way.get('type')} {way.get('name') or ''}".strip() for way in ways)


def _handshakes(webhook: WebhookSettings) -> str:
    return ", ".join(str(source_of(tree).get("type", "")) for tree in webhook.handshakes)


def _redaction(webhook: WebhookSettings) -> str:
    redact = webhook.redaction
    pointers = ["/" + "/".join(steps) for steps in redact.pointers]
    return ", ".join([*sorted(redact.headers), *sorted(redact.parameters), *pointers])


def _batch(webhook: WebhookSettings) -> str:
    batch = webhook.batch
    if batch is None:
        return ""
    items = source_of(batch.items) or "the elements of the body"
    return f"{items}: {'an execution for each' if batch.each else 'one execution for all'}"


def _previous(webhook: WebhookSettings) -> str:
    return ", ".join(f"one until {clock(key.expires)} UTC" for key in webhook.previous_keys)


_WEBHOOK: Final[tuple[tuple[str, Callable[[WebhookSettings], str]], ...]] = (
    ("Methods", lambda webhook: ", ".join(webhook.methods)),
    ("Answer", _answer),
    ("Waits", _waiting),
    ("Shape of the answer", _shape),
    ("Signature", _signature),
    ("Credentials", _authentication),
    ("Duplicates", _deduplication),
    ("Rate", _rate),
    ("Body", _body),
    ("Addresses", lambda webhook: ", ".join(map(str, webhook.allowed_ips))),
    ("Browsers", lambda webhook: f"from {', '.join(webhook.cors.origins)}" if webhook.cors else ""),
    ("Handshakes", _handshakes),
    ("CloudEvents", lambda webhook: "" if webhook.cloud_events == "OFF" else webhook.cloud_events.lower()),
    ("Previous keys", _previous),
    ("Kept out of the journal", _redaction),
    ("Recorded", lambda webhook: _RECORDED[webhook.record]),
    ("Batch", _batch),
    ("Under way at once", lambda webhook: str(webhook.max_pending or "")),
    ("Correlation", lambda webhook: str(source_of(webhook.correlation) or "")),
    ("Charset", lambda webhook: webhook.charset),
    ("Public URL", lambda webhook: webhook.public_url),
)


# --- the other kinds ------------------------------------------------------------------------------------


def _common(trigger: Trigger) -> Iterator[Fact]:
    """What every kind of trigger may have."""
    if trigger.when is not None:
        yield "Only when", str(source_of(trigger.when))
    for condition in trigger.conditions:
        yield "Only when", str(source_of(condition))
    for name, tree in (("Inputs", trigger.inputs), ("Labels", trigger.labels)):
        value: Any = source_of(tree)
        if value:
            yield name, ", ".join(f"{key}: {item}" for key, item in value.items())
    if trigger.stop_after:
        yield "Stops after", ", ".join(trigger.stop_after)


def _schedule(schedule: ScheduleSettings) -> Iterator[Fact]:
    yield "Runs", schedule_words(schedule)
    yield "Cron", schedule.cron
    yield "Time zone", schedule.timezone
    missed = {"ALL": "each is caught up", "LAST": "the last is caught up", "NONE": "they are left out"}
    yield "Missed times", missed[schedule.recover]
    if schedule.late_maximum_delay:
        yield "Too late after", duration(schedule.late_maximum_delay)


def schedule_words(schedule: ScheduleSettings) -> str:
    """A cron expression in words, as far as it is a plain one; else as it stands."""
    words = cron_words(schedule.cron)
    zone = "" if schedule.timezone == "UTC" else f" ({schedule.timezone})"
    return f"{words or f'at {schedule.cron}'}{zone}"


def cron_words(cron: str) -> str:
    """`every day at 07:00` and the like; empty for what is not plain."""
    fields = cron.split()
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if fields[1:] == ["*"] * 4:
        return _minutes(minute)
    if not (minute.isdecimal() and month == "*"):
        return ""
    if hour == "*" and day == weekday == "*":
        return f"every hour at minute {int(minute)}"
    if not hour.isdecimal():
        return ""
    return _daily(f"{int(hour):02}:{int(minute):02}", day, weekday)


def _minutes(minute: str) -> str:
    if minute == "*":
        return "every minute"
    if minute.startswith("*/") and minute[2:].isdecimal():
        return f"every {int(minute[2:])} minutes"
    return f"every hour at minute {int(minute)}" if minute.isdecimal() else ""


def _daily(time: str, day: str, weekday: str) -> str:
    if day == weekday == "*":
        return f"every day at {time}"
    if day == "*" and weekday == "1-5":
        return f"Monday to Friday at {time}"
    if day == "*" and weekday.isdecimal() and int(weekday) <= 7:
        return f"every {DAYS[int(weekday) % 7]} at {time}"
    if weekday == "*" and day.isdecimal():
        return f"on day {int(day)} of the month at {time}"
    return ""


def _upstream(upstream: Upstream) -> str:
    where = "/".join(part for part in (upstream.namespace, upstream.flow_id) if part)
    who = f"an execution of {where}" if where else "any execution"
    how = f" ends in {', '.join(upstream.states)}" if upstream.states else " ends"
    labels = "".join(f", labelled {name}: {value}" for name, value in upstream.labels.items())
    return f"{who}{how}{labels}"
