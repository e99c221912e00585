"""What takes long runs beside the event loop: templates, masking, and the encoding of large events."""

import threading
from collections import Counter
from typing import Any

import pytest
from trio.testing import MockClock

from hookledger.actors import recorder
from hookledger.actors.attempt import OUTPUTS_MAX
from hookledger.actors.errors import DeliveryRefused, ExecutionUnsuccessful
from hookledger.actors.off_loop import LARGE, rendering
from hookledger.actors.reception import Delivery
from hookledger.journal.entry import Payload, prepare
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import ReaderSource, verify
from hookledger.runtime.expressions import Ambient, LimitExceeded, render
from hookledger.runtime.expressions import Ports as ExpressionPorts
from hookledger.runtime.expressions import compile as compile_expression
from hookledger.runtime.expressions.limits import BRIEF_STEPS, DEFAULT, Interrupted, brief
from hookledger.runtime.expressions.run import LOOK_STEPS, Run
from hookledger.runtime.flow.templates import compile_tree, render_tree
from hookledger.runtime.masking import MASK, Masker
from tests.actors.conftest import OpenEngine

COSTLY = "{% for i in 1..9000 %}{% set x = i %}{% endfor %}1"
ENDLESS = "{% for i in 1..999 %}{% for j in 1..999 %}{% set x = j %}{% endfor %}{% endfor %}1"
FLOW = """
id: f
namespace: t
tasks:
  - id: out
    type: io.kestra.plugin.core.debug.Return
    format: "{format}"
outputs:
  - {{id: said, type: STRING, value: "{{{{ outputs.out.value }}}}"}}
triggers:
  - id: w
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
    when: "{when}"
"""
STEPS_ON_THE_LOOP = BRIEF_STEPS + 2 * LOOK_STEPS
"""What one piece of work may do there."""


class Random:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def randbytes(self, n: int, /) -> bytes:
        self.asked += 1
        return bytes(n)

    def randrange(self, start: int, stop: int, /) -> int:
        self.asked += 1
        return start


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Steps of renderings by thread."""
    found: Counter[int] = Counter()
    spend = Run.spend

    def spent(run: Run, count: int) -> None:
        found[threading.get_ident()] += count
        spend(run, count)

    monkeypatch.setattr(Run, "spend", spent)
    return found


async def test_a_small_rendering_stays_where_it_is(steps: Counter[int]) -> None:
    """
    What is little is rendered at once: a thread would cost more.
    """
    assert await rendering(lambda: render("{{ 'a' | upper }}", {})) == "A"
    assert set(steps) == {threading.get_ident()}


async def test_a_costly_rendering_goes_on_in_a_thread(steps: Counter[int]) -> None:
    """
    Past a small count a rendering begins again in a thread, with the whole count before it.
    """
    assert await rendering(lambda: render(COSTLY, {})) == "1"
    here = steps.pop(threading.get_ident())
    assert here <= STEPS_ON_THE_LOOP
    assert sum(steps.values()) > 9000


async def test_many_small_renderings_share_what_may_be_done_at_once(steps: Counter[int]) -> None:
    """
    A thousand small templates of one piece of work are no thousand times the small count.
    """
    small = compile_expression("{{ 'a' | upper }}{{ 2 }}")
    assert await rendering(lambda: [small.render({}) for _ in range(1000)]) == ["A2"] * 1000
    assert steps[threading.get_ident()] <= STEPS_ON_THE_LOOP
    assert len(steps) == 2


async def test_what_was_drawn_before_an_interruption_is_drawn_anew() -> None:
    """
    The record has the values of the rendering that counts, in their order, and nothing of the one that was given up.
    """
    random, kept = Random(), []

    def work() -> str:
        ambient = Ambient(ExpressionPorts(random=random))
        kept.append(ambient)
        return render("{{ uuid() }}" + COSTLY + "{{ randomInt(1, 5) }}", {}, ambient)

    shown = await rendering(work)
    assert [draw["name"] for draw in kept[-1].drawn] == ["uuid", "randomInt"]
    assert len(kept) == 2
    assert random.asked == 3
    assert (
        render("{{ uuid() }}" + COSTLY + "{{ randomInt(1, 5) }}", {}, Ambient.replay(kept[-1].drawn)) == shown
    )


@pytest.mark.parametrize(
    "template",
    [COSTLY, "{{ (text | toJson | length) ?? 1 }}", "{{ text | regexMatch(p) }}"],
)
def test_an_interruption_is_no_failure_of_the_template(template: str) -> None:
    """
    No `??` and no caller takes an interruption for an error of the template.
    """
    with brief(), pytest.raises(Interrupted):
        render(template, {"text": "x" * 5_000_000, "p": "(x+x+)+y"})


def test_the_limits_hold_for_all_properties_of_a_task_together() -> None:
    """
    Twenty properties, each within the limit, are together beyond it.
    """
    one = "{% for i in 1..9000 %}{% set x = i %}{% endfor %}1"
    assert render_tree(compile_tree({"a": one, "b": [one]}), {}) == {"a": "1", "b": ["1"]}
    with pytest.raises(LimitExceeded, match=str(DEFAULT.steps_max)):
        render_tree(compile_tree({f"p{number}": one for number in range(30)}), {})


@pytest.mark.parametrize("place", ["when", "format"])
async def test_ten_costly_templates_leave_the_loop_alone(
    open_engine: OpenEngine, steps: Counter[int], place: str
) -> None:
    """
    Of ten deliveries with a template that does as much as it may, the loop does a few thousand steps each.
    """
    source = FLOW.format(**{"when": "{{ true }}", "format": "x", place: ENDLESS})
    async with open_engine(source) as engine:
        flow = engine.flow("t", "f")
        for _ in range(10):
            if place == "when":
                with pytest.raises(DeliveryRefused, match=r"steps|processor"):
                    await engine.deliver(flow, flow.trigger("w"), Delivery(), actor="caller:test")
            else:
                execution = await engine.deliver(flow, flow.trigger("w"), Delivery(), actor="caller:test")
                with pytest.raises(ExecutionUnsuccessful, match=r"steps|processor"):
                    await execution.outputs()
    here = steps.pop(threading.get_ident())
    assert here <= 10 * 2 * STEPS_ON_THE_LOOP
    assert sum(steps.values()) > 10 * DEFAULT.steps_max / 4


async def test_secrets_in_large_texts_are_looked_for_beside_the_loop() -> None:
    """
    Masking counts by size and by how many forms are looked for.
    """
    masker = Masker()
    masker.learn([f"secret-number-{number}" for number in range(20)])
    text, threads = "x" * 2**20 + "secret-number-7", []

    def masked() -> str:
        threads.append(threading.get_ident())
        return masker.text(text)

    assert (await rendering(masked)).endswith("x" + MASK)
    assert threads[0] == threading.get_ident() != threads[1]


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Payload]]:
    """What was encoded beside the loop, with the thread that did it."""
    found: list[tuple[int, Payload]] = []

    def preparing(*given: Any) -> Payload:
        found.append((threading.get_ident(), prepare(*given)))
        return found[-1][1]

    monkeypatch.setattr(recorder, "prepare", preparing)
    return found


@pytest.mark.parametrize("wait", [False, True])
async def test_large_entries_are_encoded_and_hashed_in_a_thread(
    open_engine: OpenEngine, store: MemoryStore, prepared: list[tuple[int, Payload]], wait: bool
) -> None:
    """
    A body that a flow echoes is nowhere encoded on the event loop, and the journal is as it should be.
    """
    source = FLOW.format(when="{{ true }}", format="{{ trigger.body }}")
    async with open_engine(source) as engine:
        flow = engine.flow("t", "f")
        body = b"\xc3\xa4" * LARGE
        execution = await engine.deliver(
            flow, flow.trigger("w"), Delivery(method="POST", body=body), actor="caller:test", wait=wait
        )
        await execution.accepted()
        assert await execution.outputs() == {"said": body.decode()}
    entries = store.reader().entries(execution.id)
    large = [entry for entry in entries if len(entry.payload or b"") > 2 * LARGE]
    assert [entry.payload for entry in large] == [one.stored for _, one in prepared]
    assert threading.get_ident() not in {thread for thread, _ in prepared}
    assert verify(ReaderSource(store)).ok


async def test_small_entries_are_written_at_once(
    autojump_clock: MockClock, open_engine: OpenEngine, prepared: list[tuple[int, Payload]]
) -> None:
    """
    An ordinary execution needs no thread.
    """
    async with open_engine(FLOW.format(when="{{ true }}", format="x")) as engine:
        flow = engine.flow("t", "f")
        execution = await engine.deliver(flow, flow.trigger("w"), Delivery(), actor="caller:test")
        assert await execution.outputs() == {"said": "x"}
    assert prepared == []


async def test_outputs_have_a_limit(open_engine: OpenEngine) -> None:
    """
    An attempt whose outputs are larger than a journal takes fails, and the error says what the limit is.
    """
    doubled = "{% set t = trigger.body %}" + "{% set t = t ~ t %}" * 5 + "{{ t }}"
    async with open_engine(FLOW.format(when="{{ true }}", format=doubled)) as engine:
        flow = engine.flow("t", "f")
        body = b"x" * (OUTPUTS_MAX // 32)
        delivery = Delivery(method="POST", body=body)
        execution = await engine.deliver(flow, flow.trigger("w"), delivery, actor="caller:test")
        with pytest.raises(ExecutionUnsuccessful, match=f"outputs are larger than {OUTPUTS_MAX} characters"):
            await execution.outputs()
