"""Style sheets, scripts and pictures: read once, addressed by their content, so that a browser keeps them."""

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from hookledger.api.http import HttpResponse, problem

DIRECTORY: Final = Path(__file__).parent / "static"
PREFIX: Final = "/ui/static"
_FOREVER: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


class Asset(msgspec.Struct, frozen=True):
    """One file."""

    content: bytes
    content_type: str


class Assets:
    """All files of a directory under one digest: scripts import each other by relative names and stay together."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._assets: Mapping[str, Asset] = {
            path.name: Asset(path.read_bytes(), _type_of(path))
            for path in sorted(directory.iterdir())
            if path.is_file()
        }
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
        self.digest = digest.hexdigest()[:12]

    def path(self, name: str) -> str:
        """Where a browser finds a file.

        Raises:
            KeyError: There is no such file; a template with a wrong name fails its first test.
        """
        self._assets[name]
        return f"{PREFIX}/{self.digest}/{name}"

    def answer(self, digest: str, name: str) -> HttpResponse:
        """A file; 404 for one that is not there, or of another version."""
        asset = self._assets.get(name)
        if asset is None or digest != self.digest:
            return problem(404)
        headers = (
            ("Content-Type", asset.content_type),
            ("Cache-Control", _FOREVER),
            ("X-Content-Type-Options", "nosniff"),
        )
        return HttpResponse(status=200, headers=headers, body=asset.content)


def _type_of(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
