"""Accesses and tokens as a person reads them."""

from hookledger.journal.events import AccessRecorded, TokenIssued, TokenRevoked, decode_events
from hookledger.journal.words import details

from .builders import START


def test_a_refusal_says_who_what_why_and_how_often() -> None:
    """
    One line, with what was only counted; an access that was let through is short.
    """
    refused = AccessRecorded(
        sequence=1,
        at=START,
        by="user:ann",
        action="request",
        resource="DELETE /api/v1/main/flows/a/b\x1b[2J",
        outcome="forbidden",
        remote="192.0.2.1",
        suppressed=3,
    )
    line = (
        "user:ann  request  DELETE /api/v1/main/flows/a/b [2J  refused: forbidden  from 192.0.2.1  and 3 more"
    )
    assert details(refused) == line
    let = AccessRecorded(sequence=1, at=START, by="user:ann", action="login", resource="")
    assert details(let) == "user:ann  login  ok"


def test_a_token_is_shown_without_its_hash() -> None:
    """
    Id, name, role, until when and by whom.
    """
    issued = TokenIssued(
        sequence=1,
        at=START,
        id="T1",
        name="ci",
        role="viewer",
        sha256="ab" * 32,
        expires=START,
        by="user:ann",
    )
    assert details(issued) == "T1 ci  viewer  until 2023-11-14 22:13:20.000 UTC  by user:ann"
    assert details(TokenRevoked(sequence=2, at=START, id="T1", by="user:ann")) == "T1  by user:ann"


def test_an_access_of_an_old_journal_is_read() -> None:
    """
    The fields that came later have defaults.
    """
    payload = b'[{"type":"AccessRecorded","sequence":1,"at":2,"by":"user:a","action":"x","resource":"y"}]'
    (event,) = decode_events(payload)
    assert isinstance(event, AccessRecorded)
    assert (event.outcome, event.remote, event.suppressed) == ("ok", "", 0)
