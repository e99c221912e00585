"""A place in the tokens of a jq program."""

from hookledger.runtime.expressions.formats.jq.core import refused
from hookledger.runtime.expressions.formats.jq.tokens import Token


class Stream:
    """Tokens, taken one after the other."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens, self.index, self.depth = tokens, 0, 0

    @property
    def current(self) -> Token:
        return self.tokens[self.index]

    def next(self) -> Token:
        token = self.current
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def at(self, *texts: str) -> bool:
        """Whether one of these marks or words is next."""
        return self.current.kind in ("mark", "word") and self.current.text in texts

    def take(self, text: str) -> bool:
        if self.at(text):
            self.next()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            found = self.current.text or "the end"
            raise refused(f"`{text}` is expected, not `{found}`")

    def word(self, kind: str = "word") -> str:
        if self.current.kind != kind:
            raise refused(f"a name is expected, not `{self.current.text}`")
        return self.next().text
