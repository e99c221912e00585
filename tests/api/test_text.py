"""What senders write becomes what they meant: charsets, byte order marks, types that cannot be read, events."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import pytest

from .site import flow, open_site

EVENT: Final = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
DATA: Final = b'{"a": 1}'
BODIES: Final[list[tuple[bytes, dict[str, str], Any]]] = [
    (b"gr\xfcn", {"content-type": "text/plain; charset=ISO-8859-1"}, "grün"),
    (b"a" * 1000, {"content-type": "text/plain; charset=punycode"}, "a" * 1000),
    (b"+AGE-", {"content-type": "text/plain; charset=utf-7"}, "+AGE-"),
    (b"\xef\xbb\xbf" + DATA, {}, {"a": 1}),
    (b"\xef\xbb\xbf" + DATA, {"content-type": "application/json"}, {"a": 1}),
    (b"\xef\xbb\xbftext", {"content-type": "text/plain"}, "text"),
    ('{"ä": 1}'.encode("utf-16"), {"content-type": "application/json"}, {"ä": 1}),
    (DATA, {"content-type": "json"}, {"a": 1}),
    (DATA, {"content-type": "application/json,application/json"}, {"a": 1}),
    (DATA, {"content-type": ";"}, {"a": 1}),
    (b"plain", {"content-type": "text"}, "plain"),
    (DATA, {"content-encoding": "utf-8"}, {"a": 1}),
    (DATA, {"content-encoding": "UTF8"}, {"a": 1}),
    (DATA, {"content-encoding": "none"}, {"a": 1}),
    (b"\0\1", {"content-type": "application/octet-stream"}, "AAE="),
]


async def test_bodies_are_read_as_they_were_meant(tmp_path: Path) -> None:
    """
    Known charsets, byte order marks, unreadable types and a Content-Encoding that is none give the text or the data.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for body, headers, expected in BODIES:
            found = await site.variables("f", method="POST", content=body, headers=headers)
            assert found["body"] == expected, headers


async def test_a_compression_nobody_knows_is_415(tmp_path: Path) -> None:
    """
    Only what says that nothing was done counts as nothing.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        for coding in ("br", "utf-8, br"):
            answer = await site.call("f", method="POST", content=DATA, headers={"content-encoding": coding})
            assert answer.status_code == 415


@pytest.mark.parametrize(
    ("content_type", "body", "data", "marked"),
    [("text/plain", b"hello", "hello", False), ("text/plain; charset=latin1", b"\xe9", "é", False),
     ("text/plain", DATA, DATA.decode(), False),
     ("application/xml", b"<a/>", "<a/>", False), ("application/soap+xml", b"<a/>", "<a/>", False),
     (None, DATA, {"a": 1}, False), (None, b"hello", "hello", False), ("json", DATA, {"a": 1}, False),
     ("application/vnd.x+json", DATA, {"a": 1}, False), (None, b"\xfd\xfc\xfb\0", "/fz7AA==", True),
     ("application/octet-stream", b"ab", "YWI=", True), ("text/plain", b"\xff", "/w==", True)],
)  # fmt: skip
async def test_data_of_events(
    tmp_path: Path, content_type: str | None, body: bytes, data: Any, marked: bool
) -> None:
    """
    The data of an event is text, or parsed JSON, in binary mode and as `data_base64`; bytes alone are base64.
    """
    source = flow("f", trigger="    cloudEvents: REQUIRED\n")
    async with open_site(tmp_path, {"f": source}) as site:
        headers = EVENT | ({"content-type": content_type} if content_type else {})
        binary = await site.variables("f", method="POST", content=body, headers=headers)
        whole: dict[str, Any] = {"specversion": "1.0", "id": "2", "source": "/s", "type": "t"}
        whole |= {"data_base64": base64.b64encode(body).decode()}
        whole |= {"datacontenttype": content_type} if content_type else {}
        structured = await site.variables(
            "f",
            method="POST",
            content=json.dumps(whole),
            headers={"content-type": "application/cloudevents+json"},
        )
    for event in (binary["event"], structured["event"]):
        assert event["data"] == data
        assert event.get("dataEncoding") == ("base64" if marked else None)


FORM: Final = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe9\r\n'
    b'--x\r\nContent-Disposition: form-data; name="b"\r\n\r\n\x82\xa0\r\n'
    b'--x\r\nContent-Disposition: form-data; name="c"\r\nContent-Type: text/plain; charset=punycode\r\n\r\n\x82\xa0\r\n'
    b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nShift_JIS\r\n--x--\r\n'
)


async def test_fields_of_forms_have_charsets(tmp_path: Path) -> None:
    """
    A field is read by its own charset, else by that of `_charset_`, wherever in the form it stands, else as UTF-8.
    """
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        found = await site.variables("f", method="POST", content=FORM, headers=headers)
    assert (found["formFields"]["a"], found["formFields"]["b"], found["formFields"]["c"]) == (
        ["é"],
        ["あ"],
        ["あ"],
    )


async def test_files_of_forms_are_bounded(tmp_path: Path) -> None:
    """
    A form of more than a hundred files is 413, and nothing of it stays.
    """
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\na\r\n'
    async with open_site(tmp_path, {"f": flow("f")}) as site:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await site.call("f", method="POST", content=part * 101 + b"--x--\r\n", headers=headers)
        assert answer.status_code == 413
        assert [
            one for one in (tmp_path / "data").rglob("*") if one.is_file() and one.read_bytes() == b"a"
        ] == []
        fine = await site.variables("f", method="POST", content=part * 100 + b"--x--\r\n", headers=headers)
        assert len(fine["parts"]) == 100
