"""Which YAML a flow may be written in, and where its values stand."""

import json

import pytest

from hookledger.runtime.flow.composer import DEPTH_MAX, SOURCE_CHARS_MAX, VALUES_MAX
from hookledger.runtime.flow.problems import PROBLEMS_MAX, Problem
from hookledger.runtime.flow.source import Plain, SourceInvalid, load, load_all, load_bytes


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SourceInvalid) as caught:
        load(text, file="flow.yaml")
    return caught.value.problems


def only_problem(text: str) -> str:
    """Place and message of the one problem; which property it is, is not asked here."""
    (problem,) = problems_of(text)
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("false", False),
        ("True", True),
        ("FALSE", False),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", None),
        ("NULL", None),
        ("0", 0),
        ("-12", -12),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("007", "007"),
        ("+1", "+1"),
        (".5", ".5"),
        ("5.", "5."),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("0o17", "0o17"),
        ("0b1", "0b1"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("=", "="),
        ("١", "١"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("''", ""),
        ("!!str 5", "5"),
        ("!!str", ""),
        ("!!int 5", 5),
        ("!!float 5", 5.0),
        ("!!bool true", True),
        ("!!null ~", None),
    ],
)
def test_unquoted_words(word: str, value: Plain) -> None:
    """Only true, false, null, ~, nothing and JSON numbers are not text."""
    found = load(f"a: {word}").data
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_numbers_too_large_are_refused() -> None:
    """A number that would not survive as a number has to be quoted."""
    assert only_problem("a: 1e999").startswith("flow.yaml:1:4: a number too large to keep; put it in quotes")
    assert "a number of 401 characters; put it in quotes" in only_problem("a: " + "9" * 401)


def test_keys_are_their_text() -> None:
    """A key is a name, whatever it would mean as a value."""
    text = "1: a\n2.50: b\ntrue: c\non: d\n~: e\nnull: f\n'': g\n!!str 7: h\n1e999: i\n"
    names = {
        "1": "a",
        "2.50": "b",
        "true": "c",
        "on": "d",
        "~": "e",
        "null": "f",
        "": "g",
        "7": "h",
        "1e999": "i",
    }
    assert load(text).data == names


@pytest.mark.parametrize("text", ["[a]: 1", "? {a: 1}\n: 2", "x: &k a\n*k : 1"])
def test_complex_keys_are_refused(text: str) -> None:
    """A list, a mapping or an alias is no key."""
    assert "a key must be plain text" in only_problem(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("? \n: 1", "a key is missing"),
        ("{: 1}", "a key or a value is missing"),
        ("!!int 1: a", "the tag `!!int` is not"),
        ('"\\ud800": 1', "half of a"),
    ],
)
def test_keys_that_are_no_names(text: str, says: str) -> None:
    """A key must have a text of its own."""
    assert says in only_problem(text)


def test_unquoted_expression_names_the_cure() -> None:
    """An expression without quotes is a YAML mapping; the message says to quote it."""
    assert 'an expression needs quotes: "{{ ... }}"' in only_problem("a: 1\nb: {{ inputs.x }}\n")
    assert all("needs quotes" in str(problem) for problem in problems_of("b: {{ inputs.x }}/y\n"))


def test_duplicate_keys_name_both_lines() -> None:
    """A key that stands twice is refused, wherever its mapping is, and also as another spelling."""
    assert only_problem("a: 1\nb: 2\na: 3\n").startswith(
        "flow.yaml:3:1: the key `a` stands twice, in lines 1 and 3;"
    )
    (problem,) = problems_of("t:\n  - id: a\n    'id': b\n")
    assert (problem.line, problem.column, problem.path) == (3, 5, ("t", 0, "id"))
    assert "lines 1 and 2" in only_problem("<<: {a: 1}\n<<: {b: 1}")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a:\n\tb: 1", "2:1"),
        ("a:\tb", "1:3"),
        ("a: b\tc", "1:5"),
        ("-\ta", "1:2"),
        ("a: |\n\tb", "2:1"),
        ("a: |\n  b\n\tc", "3:1"),
        ("a: [1,\t2]", "1:7"),
        ("a: |\t\n  b", "1:5"),
    ],
)
def test_tabs_are_refused(text: str, where: str) -> None:
    """A tab between tokens is refused with its line, and the message says what to do."""
    problem = only_problem(text)
    assert problem.startswith(f"flow.yaml:{where}: a tab stands here")
    assert "replace the tab by spaces" in problem


def test_tabs_inside_text_are_kept() -> None:
    """A tab that is part of a quoted text, a block or a comment is no fault."""
    assert load("a: 'x\ty'\nb: |\n  x\ty\n# x\ty\n").data == {"a": "x\ty", "b": "x\ty\n"}


def test_aliases_are_copies() -> None:
    """An alias stands for a copy: changing one place leaves the other."""
    data = load("a: &x {p: [1]}\nb: *x\n").data
    assert data == {"a": {"p": [1]}, "b": {"p": [1]}}
    assert isinstance(data, dict)
    first, second = data["a"], data["b"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    first["p"] = None
    assert second == {"p": [1]}


def test_anchors_of_every_kind() -> None:
    """Scalars, keys and lists can be anchored, and an anchor can be set again."""
    text = "&k name: &v 1\na: *k\nb: *v\nc: &v [2]\nd: *v\n"
    assert load(text).data == {"name": 1, "a": "name", "b": 1, "c": [2], "d": [2]}


def test_merge_keys() -> None:
    """`<<` brings in what is not there: own keys win, then the first mapping of a list."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\nw:\n  a: 9\n  <<: *x\n"
    data = load(text).data
    assert isinstance(data, dict)
    assert data["z"] == {"a": 1, "b": 1, "c": 3}
    assert data["w"] == {"a": 9, "b": 1}


def test_quoted_merge_key_is_a_name() -> None:
    """A `<<` in quotes is a key like any other."""
    assert load("'<<': 1").data == {"<<": 1}


@pytest.mark.parametrize("text", ["<<: 1", "<<: [1]", "<<: [{a: 1}, x]"])
def test_merge_takes_mappings(text: str) -> None:
    """What is merged must be a mapping, or a list of them."""
    assert "`<<` takes a mapping" in only_problem(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: *x", "1:4: the alias `*x` has no anchor above it"),
        ("a: &x [*x]", "1:8: the alias `*x` stands inside its own anchor"),
        ("a: &x {b: {c: *x}}", "the alias `*x` stands inside its own anchor"),
        ("a: &x {<<: *x}", "the alias `*x` stands inside its own anchor"),
    ],
)
def test_bad_aliases(text: str, says: str) -> None:
    """An alias needs a complete anchor above it."""
    said = [f"{one.line}:{one.column}: {one.message}" for one in problems_of(text)]
    assert any(says in one for one in said)


def test_anchors_end_with_their_document() -> None:
    """An anchor of one document is unknown in the next."""
    with pytest.raises(SourceInvalid, match="has no anchor above it"):
        load_all("a: &x 1\n---\nb: *x\n")


@pytest.mark.parametrize("leaf", ["[x, x, x, x, x, x, x, x, x, x]", '"' + "x" * 640 + '"'])
def test_expansion_is_bounded(leaf: str) -> None:
    """Aliases of aliases stop at the limit before anything large is built."""
    levels = [f"a0: &a0 {leaf}"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert f"more than {VALUES_MAX} values with aliases expanded" in only_problem("\n".join(levels))


def test_merging_is_bounded_too() -> None:
    """Merge keys count like any alias."""
    large = ", ".join(f"k{n}: 1" for n in range(1000))
    merges = "\n".join(f"m{n}: {{<<: *a}}" for n in range(200))
    assert "values with aliases expanded" in only_problem(f"a: &a {{{large}}}\n{merges}")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth_is_bounded(opening: str) -> None:
    """Nesting stops at the limit, in flow and in block style."""
    assert f"more than {DEPTH_MAX} levels" in only_problem(opening * (DEPTH_MAX + 1))


def test_depth_counts_through_aliases() -> None:
    """An alias adds the height of what it names."""
    half = DEPTH_MAX // 2 + 1
    tower = "[" * half + "]" * half
    assert "levels of nesting" in only_problem(f"a: &a {tower}\nb: {'[' * half}*a{']' * half}\n")
    assert load(f"a: &a {tower}\nb: [*a]\n")


def test_size_is_bounded() -> None:
    """A text above the limit is refused before it is parsed."""
    assert "longer than" in only_problem("#" * (SOURCE_CHARS_MAX + 1))
    assert load("#" * SOURCE_CHARS_MAX).data is None


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !foo 1", "!foo"),
        ("a: !!python/name:os.system", "!!python/name:os.system"),
        ("a: !!binary aGk=", "!!binary"),
        ("a: !!timestamp 2024-01-01", "!!timestamp"),
        ("a: !!set {b}", "!!set"),
        ("a: ! b", "!"),
        ("a: !<x:y> b", "x:y"),
    ],
)
def test_unknown_tags_are_refused(text: str, tag: str) -> None:
    """Nothing but the core tags is known, so no text can ask for an object."""
    assert f"1:4: the tag `{tag}` is not supported; remove it" in only_problem(text)


@pytest.mark.parametrize("word", ["!!int x", "!!int '5'", "!!bool no", "!!null x", "!!float x"])
def test_core_tags_must_fit(word: str) -> None:
    """A core tag on a value it does not describe is refused."""
    assert "does not fit this value" in only_problem(f"a: {word}")


def test_several_documents() -> None:
    """load_all returns each document, load takes one only."""
    assert [document.data for document in load_all("a: 1\n---\nb: 2\n---\n")] == [{"a": 1}, {"b": 2}, None]
    assert load_all("") == ()
    assert load("---\na: 1\n...\n").data == {"a": 1}
    assert only_problem("a: 1\n---\nb: 2\n").startswith("flow.yaml:3:1: a second document begins here")


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff", "---\n"])
def test_nothing_is_a_document_without_data(text: str) -> None:
    """An empty text loads as None; its place is the first line."""
    document = load(text)
    assert document.data is None
    assert document.position(("a", 0)) == document.position(())


def test_byte_order_mark_is_accepted() -> None:
    """A byte order mark is dropped and moves no column."""
    assert load("\ufeffa: b").position(("a",)) == (1, 4)
    assert load_bytes(b"\xef\xbb\xbfa: b").position(("a",)) == (1, 4)


def test_bytes_must_be_utf8() -> None:
    """Bytes that are not UTF-8 are refused with the place of the first bad one."""
    with pytest.raises(SourceInvalid) as caught:
        load_bytes("a: ü\nb: ".encode() + b"\xff", file="flow.yaml")
    assert str(caught.value) == "flow.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize("escaped", [r'"\ud83d\ude00"', r'"\U0001f600"', "😀"])
def test_json_escapes_of_large_characters(escaped: str) -> None:
    """A surrogate pair is one character, as JSON writes it."""
    assert load(f"a: {escaped}").data == {"a": "😀"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r'a: "\ud83d"', "1:4: half of a surrogate pair"),
        (r'a: "\U00ffffff"', "is out of range"),
        (r'a: "\q"', "double the backslash"),
        (r'a: "\xzz"', "hexadecimal digits"),
        ("a: \x07", "1:4: the character U+0007 is not allowed"),
        ("a: 1\r\nb: \x07", "2:4: the character U+0007 is not allowed"),
        ("%YAML 1." + "9" * 5000 + "\n--- a", "is out of range"),
        ("%YAML 2.0\n--- a", "only YAML 1.x is read"),
        ("a: 'b", "1:4: these quotes are never closed"),
        ("a: 'b\n---\n", "1:4: these quotes are still open"),
        ("a: [1, 2\nb: 3", "a `[` is not closed"),
        ("a: {b: 1\nc", "a `{` is not closed"),
        ("a: b: c", "1:5: a `:` is not possible here"),
        ("a: - b", "a `- ` item is not possible here"),
        ("a\nb: c", "2:2: a `:` is not possible here"),
        ("a: 1\nb\n", "a key must be followed by `:`"),
        ("a: @b", "put the text in quotes"),
        ("a: !x!y b", "tags are not supported"),
        ("a:\n   b: 1\n  c: 1\n", "this does not fit the lines above it"),
    ],
)
def test_syntax_errors_say_what_to_do(text: str, says: str) -> None:
    """The parser's reports are translated into a place and a next step."""
    assert says in only_problem(text)


def test_faults_are_collected() -> None:
    """Faults that leave the rest readable are reported together, up to a limit."""
    assert [problem.line for problem in problems_of("a: 1\na: 2\nb: !x 1\nc: *d\n")] == [2, 3, 4]
    assert len(problems_of("\n".join(f"k{n}: !x 1" for n in range(1000)))) == PROBLEMS_MAX


def test_json_is_yaml() -> None:
    """A flow may be written as JSON."""
    value = {"id": "a", "tasks": [{"x": [1, 2.5, None, True]}], "é": '\\ " \n 😀'}
    assert load(json.dumps(value)).data == value
    assert load(json.dumps(value, indent=2)).data == value
