"""YAML for settings: names, values, lists and tables, and none of the rest of the language.

Aliases make a large tree of a small text, tags ask for types, and a key that stands twice hides the first one: all
three are refused. Numbers such as 1e4, which YAML 1.1 takes for text, are numbers.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


def load(text: str) -> Any:
    """Raises `ValueError` with the reason, in one line, where the text is not such YAML."""
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ValueError(f"{error.problem}{f' in line {mark.line + 1}' if mark else ''}") from None
    except (yaml.YAMLError, ArithmeticError, ValueError) as error:
        raise ValueError(str(error).partition("\n")[0]) from None


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="aliases and tags are not taken", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name[:60]} stands twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))
