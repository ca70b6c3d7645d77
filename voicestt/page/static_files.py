"""The files of the page that the package ships, read once and kept in memory."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from twisted.web.http import NOT_MODIFIED, Request

from voicestt.page.headers import set_headers
from voicestt.page.visit import PageError
from voicestt.server.http_answers import answer, headers_of

INDEX: Final = "index.html"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_PACKED: Final = (".js", ".mjs", ".css", ".html", ".json", ".svg", ".txt", ".webmanifest")
_ALWAYS_ASK: Final = {"cache-control": "no-cache", "vary": "accept-encoding"}
"""A browser keeps a file, and asks each time whether it is still the same: files of two versions never meet."""


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file: its content, the same in gzip if that is shorter, its type and its tag."""

    content: bytes
    packed: bytes | None
    content_type: str
    tag: str


class StaticFiles:
    """Answers with the files of a folder by their name below it; nothing else can be named."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self._files = dict(_read(folder or files("voicestt.page") / "static"))

    def answer(self, request: Request, name: str) -> bytes:
        """Answer with the file `name`, or with 304 to who has it already.

        Raises:
            PageError: where there is none.
        """
        file = self._files.get(name)
        if file is None:
            raise PageError(404, "There is no such file.")
        set_headers(request, {**_ALWAYS_ASK, "etag": file.tag})
        header = headers_of(request)
        if file.tag in (header("if-none-match") or ""):
            request.setResponseCode(NOT_MODIFIED)
            return b""
        if file.packed is not None and "gzip" in (header("accept-encoding") or ""):
            request.setHeader(b"content-encoding", b"gzip")
            return answer(request, 200, file.content_type, file.packed)
        return answer(request, 200, file.content_type, file.content)


def _read(folder: Traversable, above: str = "") -> Mapping[str, ShippedFile]:
    found: dict[str, ShippedFile] = {}
    if not folder.is_dir():
        return found
    for each in folder.iterdir():
        if each.name.startswith((".", "__")):
            continue
        if each.is_dir():
            found.update(_read(each, f"{above}{each.name}/"))
        else:
            found[above + each.name] = _shipped(each.name, each.read_bytes())
    return found


def _shipped(name: str, content: bytes) -> ShippedFile:
    ending = name[name.rfind(".") :].lower()
    content_type = _TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(content, mtime=0) if ending in _PACKED else None
    tag = f'"{sha256(content).hexdigest()[:20]}"'
    return ShippedFile(content, packed if packed and len(packed) < len(content) else None, content_type, tag)
