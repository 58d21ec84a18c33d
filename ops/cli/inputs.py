"""``-i name=value``: from words of a shell to values of the types that a pipeline declares."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ops.cli.failures import Refused


def typed(given: Sequence[str], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The values of ``name=value`` words. declared: the ``inputs`` of the pipeline's document.

    ``name=@file`` is the file's content (binary ones in base64), ``name=@@text`` a text that begins with @. A list may
    be JSON, or one element for each repetition. Raises Refused.
    """
    words: dict[str, list[str]] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise Refused(f"-i {word}: it is not of the form name=value")
        if name not in declared:
            raise Refused(f"-i {name}: the pipeline has no such input{_near(name, declared)}", hint=_known(declared))
        words.setdefault(name, []).append(value)
    return {name: _value(name, texts, _type(declared[name])) for name, texts in words.items()}


def from_file(path: Path) -> dict[str, Any]:
    """A JSON object of inputs. Raises Refused."""
    try:
        values = json.loads(_bytes(f"--input-file {path}", path))
    except (ValueError, RecursionError) as error:
        raise Refused(f"--input-file {path}: it is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise Refused(f"--input-file {path}: an object with the names of inputs as keys is needed")
    return values


def _near(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known(declared: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name} ({_type(spec)})" for name, spec in declared.items())
    return f"Its inputs: {listed}" if listed else "It has no inputs."


def _type(spec: Any) -> str:
    """Of a declaration, which may be the type alone."""
    return spec if isinstance(spec, str) else str(spec.get("type", "string"))


def _value(name: str, texts: list[str], kind: str) -> Any:
    where = f"-i {name}"
    if kind == "list" and (len(texts) > 1 or not _content(where, texts[0]).lstrip().startswith("[")):
        return [_element(_content(where, text)) for text in texts]
    if len(texts) > 1:
        raise Refused(f"{where}: given {len(texts)} times; only a list is")
    text = _content(where, texts[0])
    try:
        return _READ[kind](text) if kind in _READ else text
    except (ValueError, RecursionError):
        raise Refused(f"{where}={text[:60]}: allowed: {_WORDS[kind]}") from None


def _content(where: str, text: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    data = _bytes(f"{where}={text}", Path(text[1:]))
    try:
        if b"\0" in data:
            return base64.b64encode(data).decode("ascii")
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")


def _bytes(where: str, path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise Refused(f"{where}: the file cannot be read: {error.strerror}") from error


def _element(text: str) -> Any:
    """One element of a list: numbers, truths and structures as JSON has them, every other word as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise ValueError


def _number(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite, or not a number
        raise ValueError
    return number


def _structure(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError
        return value

    return read


_READ: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": _number,
    "boolean": _truth,
    "list": _structure(list),
    "object": _structure(dict),
}
_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true, false",
    "list": "a JSON list, or -i once for each element",
    "object": "a JSON object",
}
