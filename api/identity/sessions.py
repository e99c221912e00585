"""Sessions of the console, in memory: whoever restarts the server logs everybody out.

The browser holds a random secret, the server only its hash. Every login gets a new secret, so nobody can hand out
one and wait for somebody to log in under it.
"""

import base64
import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from hookledger.api.identity.access import Access
from hookledger.api.identity.identity import How, Identity
from hookledger.journal.ports import Clock, Entropy

SECRET_BYTES: Final = 32
IDLE_US_MAX: Final = 8 * 3600 * 1_000_000
"""A session nobody used for this long is over."""
AGE_US_MAX: Final = 24 * 3600 * 1_000_000
"""However much it is used."""
SESSIONS_MAX: Final = 1000
PER_USER_MAX: Final = 20


class Session(msgspec.Struct, kw_only=True):
    """One login."""

    identity: Identity
    csrf: str
    """What a form must carry."""
    began: int
    """Microseconds since 1970-01-01 UTC."""
    used: int
    access: Access = msgspec.field(default_factory=Access)
    """What the session opened ends with it."""


class Sessions:
    """Every session there is, the one unused for longest first."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, identity: Identity) -> tuple[str, Session]:
        """Begin a session; returns the secret for the cookie, which is kept nowhere."""
        secret, now = self._secret(), self._clock.now()
        person = msgspec.structs.replace(identity, how=How.SESSION)
        session = Session(identity=person, csrf=self._secret(), began=now, used=now)
        session.access = Access(lambda: self._in_time(session))
        self._make_room(person.name)
        self._sessions[_key(secret)] = session
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The session of a cookie, used from now on; None when there is none or its time is over."""
        key = _key(secret)
        session = self._sessions.get(key)
        if session is None:
            return None
        if not self._in_time(session):
            self._end(key)
            return None
        session.used = max(session.used, self._clock.now())
        self._sessions.move_to_end(key)
        return session

    def end(self, secret: str) -> Session | None:
        """End a session; returns it if there was one."""
        return self._end(_key(secret))

    def _end(self, key: bytes) -> Session | None:
        session = self._sessions.pop(key, None)
        if session is not None:
            session.access.end()
        return session

    def _in_time(self, session: Session) -> bool:
        now = self._clock.now()
        return now - session.used < IDLE_US_MAX and now - session.began < AGE_US_MAX

    def _make_room(self, name: str) -> None:
        """One user's logins push out only that user's, until everything is full."""
        own = [key for key, session in self._sessions.items() if session.identity.name == name]
        if len(own) >= PER_USER_MAX:
            self._end(own[0])
        elif len(self._sessions) >= SESSIONS_MAX:
            self._end(next(iter(self._sessions)))

    def _secret(self) -> str:
        return urlsafe(self._entropy.token(SECRET_BYTES))


def urlsafe(data: bytes) -> str:
    """Bytes as text for cookies, forms and tokens."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
