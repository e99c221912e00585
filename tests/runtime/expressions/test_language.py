"""The rules of the grammar and of scopes that the conformance cases leave out."""

import threading

import pytest

from hookledger.runtime.expressions import ExpressionError, render
from hookledger.runtime.expressions import compile as compile_template

VARIABLES: dict[str, object] = {
    "a": 5,
    "z": None,
    "s": "text",
    "l": [3, 1, 2],
    "m": {"k": {"x": 1}, "9": "nine"},
    "ids": [1, 3],
    "t": "{{ a }}",
    "v": "{% raw %}a{% endraw %}",
    "c": "\x01\n\x1f\x7f",
    "h": '"a\\ud800b\\ud83d\\ude00"',
}

RENDERED = {
    # precedence of the newest operator table
    "{{ a ?? 'x' ~ 'y' }}": "5",
    "{{ a ?? 1 + 2 }}": "5",
    "{{ ghost ?? 1 + 2 }}": "3",
    "{{ s ?? 'v' | upper }}": "text",
    "{{ ghost ?? 'v' | upper }}": "V",
    "{{ 'a' ~ ghost ?? 'z' }}": "z",
    "{{ a ?? 0 > 3 }}": "true",
    "{{ ghost ?? 'n' == 'n' }}": "true",
    "{{ a == 5 and l contains 3 }}": "true",
    "{{ 1 + 1..3 }}": None,
    "{{ -2 | abs }}": "2",
    "{{ not ghost ?? true }}": "true",
    "{{ -ghost ?? 1 }}": "1",
    "{{ false ? 1 : true ? 2 : 3 }}": "2",
    "{{ 2 - 1 - 1 }}": "0",
    "{{ 'a' isIn ['a'] == true }}": "true",
    # what ?? sees
    "{{ (ghost + 1) ?? 5 }}": None,
    "{{ (ghost == 1) ?? 5 }}": None,
    "{{ (ghost | upper) ?? 5 }}": "5",
    "{{ (ghost contains 1) ?? 5 }}": "5",
    "{{ (ghost ~ 'x') ?? 5 }}": "5",
    "{{ (ghost ? 1 : 2) ?? 5 }}": "5",
    "{{ [ghost] ?? 5 }}": "5",
    "{{ fromJson(ghost) ?? 5 }}": "5",
    "{{ m[ghost] ?? 5 }}": "5",
    "{{ m.k[ghost.x].y ?? 5 }}": "5",
    "{{ (('x' ~ (ghost + 1)) ?? 5) }}": None,
    "{{ (ghost ?? ghost) ?? 5 }}": "5",
    "{{ (z ??? 1) ?? 2 }}": "2",
    "{{ ghost.a.b.c is defined }}": "false",
    "{{ (ghost | upper | trim) | default('d') }}": "d",
    "{{ s | default(ghost) }}": None,
    "{{ s.nope() ?? 'd' }}": "d",
    "{{ render('{{ ghost }}') ?? 'd' }}": None,
    # reaching into values
    "{{ m[9] }}": "nine",
    "{{ m.k.x }}": "1",
    "{{ l.size }}": "3",
    "{{ s.length }}": "4",
    "{{ m.size ?? 'key' }}": "key",
    "{{ s['0'] ?? 'none' }}": "none",
    "{{ l[1.0] ?? 'none' }}": "none",
    "{{ l['-1'] ?? 'none' }}": "none",
    "{{ m[true] ?? 'none' }}": "none",
    "{{ ids contains 3 }}": "true",
    "{{ ids == [1, 3] }}": "true",
    "{{ ids contains [3, 1] }}": "true",
    "{{ [true] contains 1 }}": "false",
    "{{ 1 == true }}": "false",
    # texts
    '{{ "a#b" }}': "a#b",
    '{{ "#{a}" }}': "5",
    '{{ "#{l}" }}': "[3,1,2]",
    '{{ "x#{l}" }}': "x[3, 1, 2]",
    '{{ "#{"n#{a}"}!" }}': "n5!",
    '{{ "#{z}|" }}': "|",
    '{{ "a\\"b" }}': 'a"b',
    "{{ 'a\\\"b' }}": 'a\\"b',
    "{{ '' }}|": "|",
    "{{ 'a' 'b' }}": None,
    # whitespace
    "a {#- c -#} b": "ab",
    "a {# c #} b": "a  b",
    "a\n\n{%- if true -%}\n b \n{%- endif -%}\n c": "ab" + "c",
    "{{- a }}": "5",
    "{{-a }}": "-5",
    "x {{ a -}}": "x 5",
    "{%- set q = 1 -%} {{ q }}": "1",
    "{%- verbatim -%} {{ x }} {%- endverbatim -%} y": "{{ x }}y",
    "{% raw %}\n{{ x }}\n{% endraw %}": "\n{{ x }}\n",
    "{{ v }}": "{% raw %}a{% endraw %}",
    "a\r\n{{ a }}\r\n": "a\r\n5\r\n",
    # scopes
    "{% for x in l %}{% set q = x %}{% endfor %}{{ q ?? 'gone' }}": "gone",
    "{% for x in l %}{{ q ?? 'new' }},{% set q = x %}{% endfor %}": "new,3,1,",
    "{% for x in l %}{% for y in l %}{% set n = (n ?? 0) + 1 %}{% endfor %}{{ n ?? '-' }}{% endfor %}": "---",
    "{% set n = 0 %}{% for x in l %}{% for y in l %}{% set n = n + 1 %}{% endfor %}{% endfor %}{{ n }}": "9",
    "{% for x in l %}{% set n = 0 %}{% for y in l %}{% set n = n + y %}{% endfor %}{{ n }}{% endfor %}": "666",
    "{% for x in l %}{% set a = x %}{% endfor %}{{ a }}": "2",
    "{% for a in l %}{{ a }}{% endfor %}{{ a }}": "3125",
    "{% for a in l %}{% set a = 0 %}{{ a }}{% endfor %}{{ a }}": "0005",
    "{% if true %}{% set w = 1 %}{% endif %}{{ w }}": "1",
    "{% if false %}{% set w = 1 %}{% endif %}{{ w ?? 'unset' }}": "unset",
    "{% set a = z %}[{{ a }}]{{ a is defined }}": "[]false",
    "{% for x in l %}{% for y in [1] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}": "000102",
    "{% for x in [1] %}{{ loop }}{% endfor %}": '{"last":true,"length":1,"index":0,"revindex":0,"first":true}',
    "{% for x in l %}{% set loop = 7 %}{{ loop }}{% endfor %}": "777",
    "{% for loop in l %}{{ loop }}{% endfor %}": "312",
    "{{ loop ?? 'none' }}": "none",
    "{% for x in l %}{{ x }}{% else %}e{% endfor %}{% for x in z %}{% else %}e{% endfor %}": "312",
    "{% set x = 1 %}{{ render('{{ x + 1 }}') }}": "2",
    "{% for x in l %}{{ render('{{ x }}{{ loop.index }}') }}{% endfor %}": "301122",
    # macros
    "{% macro f(p, q=p) %}{{ p }}{{ q }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}": "1112",
    "{% macro f(p) %}{% set p = 9 %}{{ p }}{% endmacro %}{{ f(1) }}": "9",
    "{% macro f() %}{{ a ?? 'hidden' }}{% endmacro %}{{ f() }}": "hidden",
    "{% macro f(n) %}{{ n }}{% if n > 1 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}": "321",
    "{% macro f() %}x{% endmacro %}{{ f() ~ f() | upper }}": "XX",
    "{% macro f(p) %}{{ p }}{% endmacro %}{{ f(p='k') }}": "k",
    "{% if false %}{% macro f() %}m{% endmacro %}{% endif %}{{ f() }}": "m",
    "{% macro f() %}{% endmacro %}{% macro f() %}{% endmacro %}": None,
    "{% macro f(p, p) %}{% endmacro %}": None,
    "{% macro f(p) %}{% endmacro %}{{ f(q=1) }}": None,
    "{% macro f(p) %}{% endmacro %}{{ f(1, p=1) }}": "",
    # blocks
    '{% block "b" %}{{ a }}{% endblock %}{{ block("b") }}{{ block("b") }}': "555",
    "{% block b %}x{% endblock b %}": "x",
    '{% block "b" %}{{ q ?? "-" }}{% endblock %}{% set q = 1 %}{{ block("b") }}': "-1",
    '{% block "b" %}{% set n = (n ?? 0) + 1 %}{{ n }}{% endblock %}{{ block("b") }}{{ n }}': "122",
    '{% for x in l %}{{ block("b") }}{% endfor %}{% block "b" %}{{ x ?? "." }}{% endblock %}': "312.",
    '{% block "b" %}{{ l }}{% endblock %}{{ block("b") }}': "[3,1,2][3, 1, 2]",
    '{% block "p" %}1{% endblock %}{% block "q" %}{{ block("p") }}2{% endblock %}{{ block("q") }}': "11212",
    '{{ block("none") }}': "",
    '{% block "b" %}{% endblock %}{% block "b" %}{% endblock %}': "",
    "{% filter upper %}a{% filter lower %}B{{ s }}{% endfilter %}{% endfilter %}": "ABTEXT",
    "{% filter join %}a{% endfilter %}": None,
    # nothing is changed
    "{{ l | sort }}{{ l | reverse }}{{ l + 4 }}{{ l - 3 }}{{ l }}": "[1,2,3][2,1,3][3,1,2,4][1,2][3,1,2]",
    # values
    "{{ 9223372036854775807 }}": "9223372036854775807",
    "{{ 9223372036854775807 + 1 }}": "-9223372036854775808",
    "{{ 9223372036854775808 }}": None,
    "{{ [1, 2] - [1] }}": "[2]",
    "{{ [1, 1] - 1 }}": "[1]",
    "{{ [[1]] + [] }}": "[[1]]",
    "{{ 0.0 / 0 }}": "NaN",
    "{{ -1.0 / 0 }}": "-Infinity",
    "{{ 5.5 % 0 }}": "NaN",
    "{{ -7 / 2 }}": "-3",
    "{{ 7 % -3 }}": "1",
    "{{ 'a' > 'B' }}": "true",
    "{{ true > false }}": None,
    "{{ {'b': 1, 'a': null} }}": '{"b":1}',
    "{{ {'b': 1, 'a': null} ~ '' }}": "{b=1, a=null}",
    "{{ {1: 'x'}[1] }}": None,
    "{{ ({1: 'x'})[1] }}": "x",
    "{{ [] is empty ? 'e' : 'f' }}": "e",
    "{{ 'x' is  not  empty }}": "true",
    "{{ max([1, 2]) }}{{ max(null, null) ?? 'none' }}": "[1,2]none",
    "{{ max('a', 1) }}": None,
    "{{ [c] }}": '["\\u0001\\n\\u001F\x7f"]',
    "{{ fromJson(h) }}": "a\ufffdb\U0001f600",
}


@pytest.mark.parametrize("template", RENDERED)
def test_a_rule_of_the_language(template: str) -> None:
    """
    The template gives the text beside it; where there is None, an error of ours.
    """
    expected = RENDERED[template]
    if expected is None:
        with pytest.raises(ExpressionError):
            render(template, VARIABLES)
    else:
        assert render(template, VARIABLES) == expected


def test_threads_share_a_compiled_template() -> None:
    """
    One template renders in many threads at once, each with its own variables.
    """
    template = compile_template("{% set n = 0 %}{% for x in l %}{% set n = n + x %}{% endfor %}{{ n }}")
    results: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(50):
            results[number] = template.render({"l": [number] * 100})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: str(number * 100) for number in range(8)}


NULLS: dict[str, object] = {
    "body": {"nul": None, "o": {"x": None}, "l": [None, 1], "lo": [{"z": None, "y": 1}]},
    "top": None,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ body.nul }}", None),
        ("{{ body['nul'] }}", None),
        ("{{ body.nul.x }}", None),
        ("{{ body.nul is null }}", None),
        ("{{ body.nul == null }}", None),
        ("{{ body.nul ?? 'x' }}{{ body.nul ??? 'x' }}{{ body.nul | default('x') }}", "xxx"),
        ("{{ body.o.x ?? 'x' }}{{ body.lo[0].z ?? 'x' }}", "xx"),
        ("{{ body.nul is defined }}", "false"),
        ("{{ body | keys }} {{ body | length }} {{ body.size() }}", '["o","l","lo"] 3 3'),
        ("{{ body.o | values }} {{ body.o | length }} {{ body.o is empty }}", "[] 0 true"),
        ("{{ body.o == {} }} {{ body contains 'nul' }} {{ body.containsKey('nul') }}", "true false false"),
        (
            "{{ body.get('nul') ?? 'x' }} {{ body.getOrDefault('nul', 1) }} {{ body.keySet() }}",
            'x 1 ["o","l","lo"]',
        ),
        ("{% for e in body %}{{ e.key }};{% endfor %}", "o;l;lo;"),
        ("{{ body }} {{ body | toJson }}", '{"o":{},"l":[null,1],"lo":[{"y":1}]} ' * 2),
        ("{{ body ~ '' }}", "{o={}, l=[null, 1], lo=[{y=1}]}"),
        ("{{ body | yaml }}", 'o: {}\nl:\n - null\n - 1\nlo:\n -\n  "y": 1\n'),
        (
            "{{ body.o | toIon }} {{ body.o | jq('.') }} {{ {'a': 1} | merge(body.o) | keys }}",
            '{} [{}] ["a"]',
        ),
        ("{{ 'null' isIn body }} {{ body.l[0] is null }} {{ body.l | first ?? 'x' }}", "false true x"),
        ("[{{ top }}] {{ top is null }} {{ top ?? 'x' }}", "[] true x"),
    ],
)
def test_a_null_entry_from_outside_is_absent(template: str, text: str | None) -> None:
    """
    Null entries of maps in the variables do not exist for templates, wherever they are asked for; null elements of lists
    and null variables do.
    """
    if text is None:
        with pytest.raises(ExpressionError, match="E003"):
            render(template, NULLS)
    else:
        assert render(template, NULLS).strip() == text.strip()
