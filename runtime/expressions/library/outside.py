"""Functions that draw their value from outside: time, randomness, secrets, stored values, files.

Every one goes through the Ambient, which writes the value down.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from hookledger.runtime.expressions.errors import AmbientUnavailable, WrongValue
from hookledger.runtime.expressions.formats.moments import UTC_ZONE, from_datetime
from hookledger.runtime.expressions.library.arguments import boolean_of, integer_of, map_of, text_of
from hookledger.runtime.expressions.library.dates import shown
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value

BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NANO_ALPHABET: Final = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
KSUID_EPOCH: Final = 1_400_000_000
NANO_LENGTH_MAX: Final = 1000


@FUNCTIONS("now", "format?", "timeZone?", "existingFormat?", "locale?", ambient=True)
def now(
    run: Run, pattern: Value = None, zone: Value = None, existing: Value = None, locale: Value = None
) -> Value:
    """The time on the ambient clock, as `date` would write it."""
    ambient = run.ambient
    arguments = [pattern, zone, existing, locale]
    return ambient.draw(
        "now", arguments, lambda: shown(from_datetime(ambient.now(), UTC_ZONE), pattern, zone, locale)
    )


@FUNCTIONS("uuid", ambient=True)
def uuid(run: Run) -> Value:
    """A random UUID."""
    return run.ambient.draw(
        "uuid", [], lambda: str(UUID(bytes=run.ambient.random().randbytes(16), version=4))
    )


@FUNCTIONS("id", ambient=True)
def id_(run: Run) -> Value:
    """A random id of letters and digits."""
    return run.ambient.draw("id", [], lambda: base62(run.ambient.random().randbytes(16), 22))


@FUNCTIONS("ksuid", ambient=True)
def ksuid(run: Run) -> Value:
    """A random id that sorts by time."""

    def make() -> str:
        seconds = int(run.ambient.now().timestamp()) - KSUID_EPOCH
        return base62(seconds.to_bytes(4, "big") + run.ambient.random().randbytes(16), 27)

    return run.ambient.draw("ksuid", [], make)


def base62(data: bytes, width: int) -> str:
    """Bytes as digits and letters."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(width, "0")


@FUNCTIONS("nanoId", "length?", "alphabet?", ambient=True)
def nano_id(run: Run, length: Value = None, alphabet: Value = None) -> Value:
    """A random id of a length, from an alphabet."""
    size = 21 if length is None else integer_of(length, "the length of `nanoId`")
    letters = NANO_ALPHABET if alphabet is None else text_of(alphabet, "the alphabet of `nanoId`")
    if not 0 < size <= NANO_LENGTH_MAX or not letters:
        raise WrongValue(f"`nanoId` takes a length from 1 to {NANO_LENGTH_MAX} and an alphabet")

    def make() -> str:
        random = run.ambient.random()
        return "".join(letters[random.randrange(0, len(letters))] for _ in range(size))

    return run.ambient.draw("nanoId", [length, alphabet], make)


@FUNCTIONS("randomInt", "lower", "upper", ambient=True)
def random_int(run: Run, lower: Value, upper: Value) -> Value:
    """A random whole number; the upper bound itself never comes."""
    low = integer_of(lower, "the lower bound of `randomInt`")
    high = integer_of(upper, "the upper bound of `randomInt`")
    if high < low:
        raise WrongValue("the upper bound of `randomInt` is below the lower")
    return run.ambient.draw(
        "randomInt", [low, high], lambda: run.ambient.random().randrange(low, high) if high > low else low
    )


@FUNCTIONS("randomPort", ambient=True)
def random_port(run: Run) -> Value:
    """A random port number nothing is known to use."""
    return run.ambient.draw("randomPort", [], lambda: run.ambient.random().randrange(1024, 65536))


def optional_text(value: Value, what: str) -> str | None:
    """Text, or nothing."""
    return None if value is None else text_of(value, what)


@FUNCTIONS("secret", "key", "namespace?", "subkey?", ambient=True)
def secret(run: Run, key: Value, namespace: Value = None, subkey: Value = None) -> Value:
    """A secret, or one entry of a secret that holds JSON."""
    name, space = text_of(key, "`secret`"), optional_text(namespace, "the namespace of `secret`")
    arguments = [one for one in (name, space) if one is not None]
    value = run.ambient.draw_secret(name, space, arguments)
    return value if subkey is None else entry_of_secret(run, value, name, text_of(subkey, "`subkey`"))


def entry_of_secret(run: Run, value: str, name: str, subkey: str) -> Value:
    """One entry of a secret; it is as secret as the whole."""
    from hookledger.runtime.expressions.formats.jsontext import read_json

    entries = map_of(read_json(value), "`subkey`")
    if subkey not in entries:
        raise AmbientUnavailable(f"the secret `{name}` has no entry `{subkey[:60]}`", name=subkey)
    run.ambient.remember_secret(f"{name}.{subkey}", entries[subkey])
    return entries[subkey]


@FUNCTIONS("kv", "key", "namespace?", "errorOnMissing?", ambient=True)
def kv(run: Run, key: Value, namespace: Value = None, error_on_missing: Value = None) -> Value:
    """A stored value."""
    name, space = text_of(key, "`kv`"), optional_text(namespace, "the namespace of `kv`")
    strict = error_on_missing is None or boolean_of(error_on_missing, "`errorOnMissing`")

    def make() -> Value:
        if run.ambient.ports.kv is None:
            raise AmbientUnavailable(f"nothing here can give the stored value `{name}`", name=name)
        try:
            return run.ambient.ports.kv(name, space)
        except LookupError as error:
            if not strict:
                return None
            raise AmbientUnavailable(f"there is no stored value `{name}`", name=name) from error

    return run.ambient.draw("kv", [name, space, strict], make)


# Functions that are nothing but a question to a port: their names and parameters.
PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("path", "namespace?", "version?"),
    "fileURI": ("path", "namespace?", "version?"),
    "fileSize": ("path", "namespace?", "version?"),
    "fileExists": ("path", "namespace?", "version?"),
    "isFileEmpty": ("path", "namespace?", "version?"),
    "errorLogs": (),
    "env": ("name", "default?"),
    "appLink": ("appId?", "baseUrl?"),
    "subflow": ("namespace", "flowId", "inputs?", "revision?"),
    "http": ("uri", "method?", "query?", "body?", "contentType?", "headers?", "options?", "accept?"),
}


def question(name: str) -> Callable[..., Value]:
    """The function that asks one port."""

    def ask(run: Run, *arguments: Value) -> Value:
        return run.ambient.draw(name, list(arguments), lambda: run.ambient.other(name)(*arguments))

    ask.__doc__ = f"Whatever the port `{name}` answers."
    return ask


for function, parameters in PLAIN.items():
    FUNCTIONS(function, *parameters, ambient=True)(question(function))


def draw_nonce(run: Run, size: int) -> bytes:
    """Random bytes for an encryption."""
    text = run.ambient.draw(
        "encrypt", [], lambda: base64.b64encode(run.ambient.random().randbytes(size)).decode()
    )
    return base64.b64decode(text)
