"""No Python object can be reached from a template: known escapes from sandboxes, all of them shut."""

import re

import pytest

from hookledger.runtime.expressions import Ambient, CaseInsensitive, ExpressionError, Ports, render

PYTHON_INSIDE = re.compile(
    r"<(class|function|bound|built-in|module|object|code|method|generator|frame|traceback|slot|wrapper|"
    r"Config|Request|hookledger|jinja2|_)|0x[0-9a-f]{6,}|object at|__\w+__|dict_keys|Namespace|Undefined|"
    r"root:x|mappingproxy|getset_descriptor|subclasses"
)
ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__class__']['__mro__'][1]['__subclasses__']() }}",
    "{{ [].__class__.__base__ }}",
    "{{ ([]).__class__.__base__.__subclasses__() }}",
    "{{ ([])['__class__'] }}",
    "{{ ({}).__class__ }}",
    "{{ ({})['__init__'] }}",
    "{{ (1).__class__ }}",
    "{{ (1.5).__class__ }}",
    "{{ true.__class__ }}",
    "{{ s.__class__.__base__ }}",
    "{{ s['__cla' ~ 'ss__'] }}",
    "{{ s['__cla' + 'ss__'] }}",
    "{% set k = '__class__' %}{{ s[k] }}",
    "{{ s | attr('__class__') }}",
    "{{ s | attr('__cla' ~ 'ss__') }}",
    "{{ [s] | map(attribute='__class__') }}",
    "{{ [s] | map('attr', '__class__') }}",
    "{{ [s] | selectattr('__class__') }}",
    "{{ [s] | groupby('__class__') }}",
    "{{ [s] | sort(attribute='__class__') }}",
    "{{ [s] | sum(attribute='__class__') }}",
    "{{ s.format }}",
    "{{ '{0.__class__}'.format(s) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(s) }}",
    "{{ s.format_map(m) }}",
    "{{ '%s' % s.__class__ }}",
    "{{ '%(a)s' | format(a=s) }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ dict.__base__ }}",
    "{{ range.__class__ }}",
    "{{ range(1, 2).__class__ }}",
    "{{ max.__globals__ }}",
    "{{ render.__globals__ }}",
    "{{ loop.__class__ }}",
    "{% for x in l %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in l %}{{ loop['__class__'] }}{% endfor %}",
    "{% for x in l %}{{ loop._iterable }}{% endfor %}",
    "{% for x in l %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for e in m %}{{ e.__class__ }}{% endfor %}",
    "{% for e in m %}{{ e.items() }}{% endfor %}",
    "{% macro f() %}x{% endmacro %}{{ f.__globals__ }}",
    "{% macro f() %}{{ caller.__globals__ }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ run.ambient }}{{ given }}{{ variables }}{% endmacro %}{{ f() }}",
    "{% set x = run %}{{ x }}",
    "{{ run }}{{ variables }}{{ MISSING }}{{ NOTHING }}",
    "{{ environment }}{{ context }}{{ out }}{{ __builtins__ }}",
    "{{ __import__('os').popen('id').read() }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ eval('1+1') }}{{ exec('1') }}{{ compile('1', '', 'eval') }}",
    "{{ getattr(s, '__class__') }}",
    "{{ vars() }}{{ globals() }}{{ locals() }}{{ dir() }}",
    "{{ type(s) }}{{ id(s) }}{{ repr(s) }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% from 'os' import popen %}",
    "{% call f() %}{% endcall %}",
    "{% do s.__class__ %}",
    "{{ m.keys.__self__ }}",
    "{{ m.keys() }}",
    "{{ m.pop('a') }}",
    "{{ m.clear() }}{{ m }}",
    "{{ l.append(1) }}{{ l }}",
    "{{ l.sort.__self__ }}",
    "{{ m.get.__globals__ }}",
    "{{ l.size.__globals__ }}",
    "{{ s.length.__class__ }}",
    "{{ s.toUpperCase.__globals__ }}",
    "{{ h.__class__ }}{{ h._folded }}{{ h.lookup }}",
    "{{ h['_folded'] }}",
    "{{ h.lookup('a') }}",
    "{{ ''.getClass().forName('java.lang.Runtime') }}",
    "{{ s.getClass() }}{{ s.class }}",
    "{{ (1).TYPE.forName('java.lang.Runtime').methods[6].invoke(null, null) }}",
    "{{ beans }}{{ request.class.classLoader }}",
    "{{ printContext().__class__ }}",
    "{{ printContext()['__builtins__'] }}",
    "{{ render('{{ s.__class__ }}') }}",
    "{{ render('{' ~ '{ s.__class__ }' ~ '}') }}",
    "{{ s | jq('env') }}",
    "{{ m | jq('env.PATH') }}",
    "{{ m | jq('$ENV') }}",
    "{{ m | jq('input_filename, $__prog_args') }}",
    "{{ m | jq('import \"/etc/passwd\" as $x; $x') }}",
    "{{ m | jq('include \"/etc/passwd\"; .') }}",
    "{{ m | jq('.__class__') }}",
    "{{ m | jq('now, input, debug') }}",
    "{{ yaml('!!python/object/apply:os.system [id]') }}",
    "{{ yaml('!!python/name:os.system') }}",
    "{{ fromIon('$ion_1_0 os::system') }}",
    "{{ '2031-07-04' | date(timeZone='../../../etc/passwd') }}",
    "{{ '2031-07-04' | date(timeZone='/etc/passwd') }}",
    "{{ '2031-07-04' | date(locale='../../etc/passwd') }}",
    "{{ s | regexReplace('a', '\\\\g<0>') }}",
    "{{ foreign }}",
    "{{ foreign.secret }}",
    "{{ foreign['__class__'] }}",
    "{{ foreign ~ '' }}{{ [foreign] }}",
    "{{ foreign | toJson }}",
    "{{ foreign | yaml }}{{ foreign | upper }}",
    "{{ foreign == foreign }}{{ foreign is map }}",
    "{% for x in foreign %}{{ x }}{% endfor %}",
    "{{ foreign() }}{{ foreign.method() }}",
    "{{ [foreign] | join(',') }}{{ [foreign] | first }}",
    "{{ s }}{{ '\"); import os; os.system(\"id' }}",
    '{{ "#{s.__class__}" }}',
    "{% set __class__ = 1 %}{{ __class__.real }}",
    "{{ missing ?? s.__class__ }}",
    "{{ (missing.__class__ ?? s).__class__ }}",
    "{{ (ghost ??? ghost) }}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    "{% block __class__ %}{{ block.__globals__ }}{% endblock %}",
]


class Foreign:
    """Something that should never have been among the variables."""

    secret = "reached"

    def method(self) -> str:
        """Never called."""
        return "reached"


VARIABLES: dict[str, object] = {
    "s": "text",
    "l": [1, 2],
    "m": {"a": 1},
    "h": CaseInsensitive({"A": ["1"]}),
    "foreign": Foreign(),
}


def test_there_are_enough_escapes() -> None:
    """
    The list is long and has no doubles.
    """
    assert len(set(ESCAPES)) == len(ESCAPES) >= 60


@pytest.mark.parametrize("template", ESCAPES)
def test_an_escape_reaches_nothing(template: str) -> None:
    """
    An escape ends in our own error, or in text that shows plain data only.
    """
    ambient = Ambient(Ports(random=None))
    try:
        text = render(template, VARIABLES, ambient)
    except ExpressionError as error:
        text = error.message.replace(template, "")
        assert "reached" not in text
    else:
        assert "reached" not in text
    assert not PYTHON_INSIDE.search(re.sub(r"`[^`]*`", "", text)), text


def test_members_change_nothing() -> None:
    """
    After all escapes the variables are what they were.
    """
    assert VARIABLES["l"] == [1, 2]
    assert VARIABLES["m"] == {"a": 1}
