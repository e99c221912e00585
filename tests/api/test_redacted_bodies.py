"""What `redact` names never gets into the journal: a body in which it cannot be found is refused."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import pytest

from .site import flow, open_site

SECRET: Final = "4111-1111-1111-1111"
LONG: Final = ["x" * 100] * 5000
RULES: Final = "    redact: {pointers: [/card], parameters: [card]}\n"
REFUSED: Final[dict[str, tuple[bytes, dict[str, str]]]] = {
    "no UTF-8": (b'{"card": "%s", "a": "\xff"}' % SECRET.encode(), {}),
    "deep": (b'{"card": "%s", "a": ' % SECRET.encode() + b"[" * 3000 + b"]" * 3000 + b"}", {}),
    "many digits": (b'{"card": "%s", "a": ' % SECRET.encode() + b"1" * 4400 + b"}", {}),
    "endless": (b'{"card": "%s", "a": 1e999}' % SECRET.encode(), {}),
    "trailing": (b'{"card": "%s"} x' % SECRET.encode(), {}),
    "two documents": (b'{"card": "%s"}\n{"card": "%s"}' % (SECRET.encode(), SECRET.encode()), {}),
    "twice": (b'{"card": "%s", "card": 1}' % SECRET.encode(), {}),
    "text": (b"card: " + SECRET.encode(), {"content-type": "text/plain"}),
    "JSON as a form": (
        b'{"card": "%s"} x' % SECRET.encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    "a form with half a JSON": (
        b"payload=%%7B%%22card%%22:%%22%s%%22" % SECRET.encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    "a form that is no text": (
        f"card={SECRET}".encode("utf-16-le") + b"\0",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-16"},
    ),
}
KEPT: Final[dict[str, tuple[bytes, dict[str, str], Any]]] = {
    "plain": (b'{"card": "%s", "a": 1}' % SECRET.encode(), {}, {"card": "[redacted]", "a": 1}),
    "half a pair": (b'{"card": "%s", "a": "\\ud800"}' % SECRET.encode(), {}, {"card": "[redacted]", "a": "\ufffd"}),
    "latin": (
        b'{"card": "%s", "a": "\xe9"}' % SECRET.encode(),
        {"content-type": "application/json; charset=iso-8859-1"},
        {"card": "[redacted]", "a": "é"},
    ),
    "marked": (b'\xef\xbb\xbf{"card": "%s"}' % SECRET.encode(), {}, {"card": "[redacted]"}),
    "UTF-16": (json.dumps({"card": SECRET, "a": "é"}).encode("utf-16"), {}, {"card": "[redacted]", "a": "é"}),
    "a form": (
        b"a=1&card=%s&card=2" % SECRET.encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        "a=1&card=[redacted]&card=[redacted]",
    ),
    "a form in UTF-16": (
        f"a=1&card={SECRET}".encode("utf-16"),
        {"content-type": "application/x-www-form-urlencoded; charset=utf-16"},
        "a=1&card=[redacted]",
    ),
    "JSON in a form": (
        b"payload=%%7B%%22card%%22%%3A%%22%s%%22%%7D&a=%%ff\xff" % SECRET.encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        "payload=%7B%22card%22%3A%22%5Bredacted%5D%22%7D&a=%ff\ufffd",
    ),
    "a form with members": (
        b"card[number]=%s" % SECRET.encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        "card[number]=[redacted]",
    ),
    "large": (json.dumps({"card": SECRET, "a": LONG}).encode(), {}, {"card": "[redacted]", "a": LONG}),
}  # fmt: skip


@pytest.mark.parametrize("charset", ["", "    charset: ISO-8859-1\n"])
async def test_what_cannot_be_redacted_is_refused(tmp_path: Path, charset: str) -> None:
    """
    No UTF-8, too deep, too long a number, something behind the value, a key twice: 422, and nothing is written down.
    """
    async with open_site(tmp_path, {"f": flow("f", trigger=RULES + charset)}) as site:
        for name, (body, headers) in REFUSED.items():
            answer = await site.call("f", method="POST", content=body, headers=headers)
            fine = name == "no UTF-8" and charset
            assert answer.status_code == (200 if fine else 422), name
        assert SECRET.encode() not in site.journal_bytes()


async def test_what_is_redacted_is_seen_nowhere(tmp_path: Path) -> None:
    """
    In any charset, behind a byte order mark, in a form and in a large body the flow sees `[redacted]`.
    """
    async with open_site(tmp_path, {"f": flow("f", trigger=RULES)}) as site:
        for name, (body, headers, expected) in KEPT.items():
            found = await site.variables("f", method="POST", content=body, headers=headers)
            assert found["body"] == expected, name
        assert SECRET.encode() not in site.journal_bytes()


async def test_data_of_events_is_redacted_in_either_spelling(tmp_path: Path) -> None:
    """
    Pointers lead into `data_base64` as into `data`; of the recorded body it is replaced as a whole.
    """
    trigger = "    cloudEvents: REQUIRED\n    redact: {pointers: [/data/card]}\n"
    data = json.dumps({"card": SECRET, "a": 1}).encode()
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "datacontenttype": "application/json",
    }
    async with open_site(tmp_path, {"f": flow("f", trigger=trigger)}) as site:
        body = json.dumps({**event, "data_base64": base64.b64encode(data).decode()})
        headers = {"content-type": "application/cloudevents+json"}
        found = await site.variables("f", method="POST", content=body, headers=headers)
        assert found["event"]["data"] == {"card": "[redacted]", "a": 1}
        assert SECRET.encode() not in site.journal_bytes()
        assert base64.b64encode(data)[:20] not in site.journal_bytes()


async def test_json_of_too_many_values_is_refused(tmp_path: Path) -> None:
    """
    A body with more than a million arrays and objects is 413: each would cost sixty times its two bytes.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        body = b"[" + b"[]," * 1_000_000 + b"[]]"
        answer = await site.call("f", method="POST", content=body)
        assert (answer.status_code, "1000000 arrays" in answer.json()["detail"]) == (413, True)


PARTS: Final[dict[str, tuple[str, int]]] = {
    'name="card"': (SECRET, 200),
    'name="card[number]"': (SECRET, 200),
    'name="note"': (json.dumps({"card": SECRET}), 200),
    'name="half"': (f'{{"card": "{SECRET}"', 422),
    'name="card"; filename="a.txt"': (SECRET, 422),
    'name="note"; filename="a.json"\r\nContent-Type: application/json': (json.dumps({"card": SECRET}), 422),
}


@pytest.mark.parametrize("part", PARTS)
async def test_pointers_reach_into_the_parts_of_a_form(tmp_path: Path, part: str) -> None:
    """
    A field that a pointer names, and JSON in any field, are redacted; what would be kept as it is is refused.
    """
    text, status = PARTS[part]
    rules = "    redact: {pointers: [/card, /card/number]}\n"
    body = f"--x\r\nContent-Disposition: form-data; {part}\r\n\r\n{text}\r\n--x--\r\n"
    async with open_site(tmp_path, {"f": flow("f", trigger=rules)}) as site:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await site.call("f", method="POST", content=body.encode(), headers=headers)
        assert answer.status_code == status
        assert SECRET.encode() not in site.journal_bytes()
        files = [path for path in site.data.rglob("*") if path.is_file() and "files" in path.parts]
        assert not any(SECRET.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{=1&card=" + SECRET, "application/x-www-form-urlencoded"),
        ("a=1&card=" + SECRET, ""),
        ("a=1&c%61rd=" + SECRET, "application/x-www-form-urlencoded, text/plain"),
    ],
)
async def test_a_form_is_found_whatever_it_looks_like(tmp_path: Path, body: str, content_type: str) -> None:
    """
    One that begins like JSON and is none, and one without a type that can be read.
    """
    rules = "    redact: {parameters: [card]}\n"
    async with open_site(tmp_path, {"f": flow("f", trigger=rules)}) as site:
        headers = {"content-type": content_type} if content_type else {}
        answer = await site.call("f", method="POST", content=body.encode(), headers=headers)
        assert answer.status_code == 200
        assert SECRET.encode() not in site.journal_bytes()


async def test_parameters_are_redacted_in_copies_of_the_url(tmp_path: Path) -> None:
    """
    What proxies and pages copy into headers holds the same parameters.
    """
    rules = "    redact: {parameters: [card]}\n"
    url = f"/x?a=1&c%61rd={SECRET}&access_token={SECRET}"
    async with open_site(tmp_path, {"f": flow("f", trigger=rules)}) as site:
        headers = {"x-original-uri": url, "referer": f"https://here{url}"}
        found = await site.variables("f", method="POST", content=b"{}", headers=headers)
        assert found["headers"]["x-original-uri"] == ["/x?a=1&c%61rd=[redacted]&access_token=[redacted]"]
        assert SECRET.encode() not in site.journal_bytes()
