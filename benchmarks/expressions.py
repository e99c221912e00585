"""Rendering beside plain Jinja2: the same work, sandboxed on both sides, in one run.

Run it on a quiet machine: `python benchmarks/expressions.py`. The aim is a ratio of at most 1.5 on each line.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial

from jinja2.sandbox import SandboxedEnvironment

from hookledger.runtime.expressions import compile

ROUNDS = 15
SECONDS_PER_ROUND = 0.05

VARIABLES: dict[str, object] = {
    "trigger": {
        "parameters": {"name": ["Ada"]},
        "headers": {"Content-Type": ["application/json"]},
        "body": {
            "id": "A-17",
            "action": "opened",
            "number": 12,
            "total": 19.5,
            "user": {"login": "ada", "email": "ada@example.org"},
            "lines": [{"sku": f"s{n}", "qty": n} for n in range(1000)],
        },
    },
    "flow": {"id": "orders", "namespace": "acme.ops"},
    "inputs": {"limit": 10},
    "labels": {"env": "prod"},
}

GREETING = (
    "Hello {{ trigger.parameters.name[0] ?? 'world' }}!",
    "Hello {{ trigger.parameters.name[0] | default('world') }}!",
)
BODY = (
    """{"id": "{{ trigger.body.id }}", "action": "{{ trigger.body.action | upper }}",
"number": {{ trigger.body.number }}, "next": {{ trigger.body.number + 1 }}, "total": {{ trigger.body.total }},
"twice": {{ trigger.body.total * 2 }}, "login": "{{ trigger.body.user.login }}",
"mail": "{{ trigger.body.user.email ?? 'none' }}", "phone": "{{ trigger.body.user.phone ?? 'none' }}",
"type": "{{ trigger.headers['Content-Type'][0] }}", "flow": "{{ flow.id }}", "space": "{{ flow.namespace }}",
"path": "{{ flow.namespace ~ '/' ~ flow.id }}", "over": "{{ trigger.body.number > inputs.limit }}",
"size": "{{ trigger.body.number > 10 ? 'large' : 'small' }}", "env": "{{ labels.env | upper }}",
"who": "{{ trigger.body.user.login | capitalize }}", "limit": {{ inputs.limit }},
"opened": "{{ trigger.body.action == 'opened' and inputs.limit > 5 }}", "name": "{{ trigger.parameters.name[0] }}"}""",
    """{"id": "{{ trigger.body.id }}", "action": "{{ trigger.body.action | upper }}",
"number": {{ trigger.body.number }}, "next": {{ trigger.body.number + 1 }}, "total": {{ trigger.body.total }},
"twice": {{ trigger.body.total * 2 }}, "login": "{{ trigger.body.user.login }}",
"mail": "{{ trigger.body.user.email | default('none') }}", "phone": "{{ trigger.body.user.phone | default('none') }}",
"type": "{{ trigger.headers['Content-Type'][0] }}", "flow": "{{ flow.id }}", "space": "{{ flow.namespace }}",
"path": "{{ flow.namespace ~ '/' ~ flow.id }}", "over": "{{ trigger.body.number > inputs.limit }}",
"size": "{{ 'large' if trigger.body.number > 10 else 'small' }}", "env": "{{ labels.env | upper }}",
"who": "{{ trigger.body.user.login | capitalize }}", "limit": {{ inputs.limit }},
"opened": "{{ trigger.body.action == 'opened' and inputs.limit > 5 }}", "name": "{{ trigger.parameters.name[0] }}"}""",
)
LOOP = (
    "{% for line in trigger.body.lines %}{{ loop.index }}: {{ line.sku }} x {{ line.qty }}\n{% endfor %}",
    "{% for line in trigger.body.lines %}{{ loop.index0 }}: {{ line.sku }} x {{ line.qty }}\n{% endfor %}",
)


def once(action: Callable[[], object], times: int) -> float:
    """Seconds one call takes, over a number of calls."""
    started = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - started) / times


def measure(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Median microseconds of both, taken in turns so that the machine's moods hit both alike."""
    times = max(1, int(SECONDS_PER_ROUND / once(theirs, 3)))
    rounds = [(once(ours, times), once(theirs, times)) for _ in range(ROUNDS)]
    ours_us, theirs_us = (statistics.median(side) * 1e6 for side in zip(*rounds, strict=True))
    return ours_us, theirs_us


def main() -> None:
    """Print one line for each template."""
    environment = SandboxedEnvironment(autoescape=False, keep_trailing_newline=True)
    print(f"{'template':<28}{'ours (us)':>12}{'jinja2 (us)':>14}{'ratio':>8}")
    for name, (source, reference) in {
        "greeting": GREETING,
        "body, 20 expressions": BODY,
        "loop over 1,000 items": LOOP,
    }.items():
        template, plain = compile(source), environment.from_string(reference)
        ours, theirs = measure(partial(template.render, VARIABLES), partial(plain.render, VARIABLES))
        print(f"{name:<28}{ours:>12.1f}{theirs:>14.1f}{ours / theirs:>8.2f}")
    same = compile(LOOP[0]).render(VARIABLES) == environment.from_string(LOOP[1]).render(VARIABLES)
    body = json.loads(compile(BODY[0]).render(VARIABLES))
    print(f"same loop output: {same}; body is JSON of {len(body)} entries")


if __name__ == "__main__":
    main()
