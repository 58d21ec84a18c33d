"""From the text of a pipeline to a document of plain JSON types; YAML, of which JSON is a part.

Words mean what they mean in JSON, else they are text: ``on``, ``yes``, ``007`` and ``2024-01-01`` are texts. A key that
stands twice is refused, and aliases may repeat only a bounded number of nodes.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from orchestrator.errors import InvalidPipeline
from orchestrator.loader.plain import DEEPEST
from orchestrator.loader.problems import shown

LARGEST = 256 * 1024  # bytes
MOST_NODES = 20_000  # values, each repetition by an alias counted


class _Loader(yaml.SafeLoader):
    """SafeLoader with the words of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 PyYAML's way


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+([eE][-+]?[0-9]+)?|\.|[eE][-+]?[0-9]+)", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def read(text: str, where: str) -> dict[str, Any]:
    """The document in a text of YAML or JSON. Raises InvalidPipeline, naming ``where`` and the line."""
    if len(text.encode(errors="surrogatepass")) > LARGEST:
        raise InvalidPipeline(f"{where}: larger than {LARGEST // 1024} KiB")
    try:
        document = _from_json(text) if text.lstrip().startswith("{") else None
        document = _from_yaml(text, where) if document is None else document
    except RecursionError:
        raise InvalidPipeline(f"{where}: nested too deeply; at most {DEEPEST} levels are allowed") from None
    if not isinstance(document, dict):
        raise InvalidPipeline(f"{where}: found {shown(document)}; allowed: an object with the keys pipeline and steps")
    return document


def _from_json(text: str) -> Any:
    """The document, if the text is JSON without a doubled key; YAML's reader finds the line of one."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(items)) < len(items):
            raise ValueError
        return dict(items)

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except ValueError:
        return None


def _from_yaml(text: str, where: str) -> Any:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Inspection(where).inspect(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidPipeline(f"{where}{place}: {exc.problem or exc.context}") from exc
    except yaml.reader.ReaderError as exc:
        raise InvalidPipeline(f"{where}: a character that YAML does not have: #x{ord(text[exc.position]):x}") from exc
    except (yaml.YAMLError, ValueError) as exc:  # such as a number of 5,000 digits
        raise InvalidPipeline(f"{where}: {str(exc).splitlines()[0]}") from exc


_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}


class _Inspection:
    """Walks the nodes before anything is built of them."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = MOST_NODES

    def inspect(self, node: yaml.Node, depth: int = 0) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error(node, f"more than {MOST_NODES} values")
        if depth > DEEPEST:
            raise self._error(node, f"nested deeper than {DEEPEST} levels, or an alias within itself")
        if node.tag not in _TAGS:
            raise self._error(node, f"the tag {node.tag!r} is not allowed")
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        children = getattr(node, "value", [])
        for child in children if isinstance(children, list) else []:
            for inner in child if isinstance(child, tuple) else (child,):
                self.inspect(inner, depth + 1)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be a word")
            line = key.start_mark.line + 1
            if key.value in lines:
                raise self._error(key, f"the key {key.value!r} stands here twice, first in line {lines[key.value]}")
            lines[key.value] = line

    def _error(self, node: yaml.Node, problem: str) -> InvalidPipeline:
        return InvalidPipeline(f"{self._where}:{node.start_mark.line + 1}:{node.start_mark.column + 1}: {problem}")
