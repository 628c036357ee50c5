"""The Python that a template becomes: Jinja's own, without what plain data need not be asked.

A mail looks up three hundred keys, calls sixty functions and writes eighty values. Jinja makes a
call of its own for each, because it cannot know what it will meet; where it is known here, that is
spared: about 6 % of the time of rendering.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.idtracking import VAR_LOAD_RESOLVE
from markupsafe import Markup, escape

_SPECIAL = re.compile("[&<>'\"]")


def written(value: object) -> str:
    """``value`` as HTML: what :func:`markupsafe.escape` makes of it, by the shortest way."""
    kind = type(value)
    if kind is Markup or (kind is str and not _SPECIAL.search(value)):  # type: ignore[call-overload]
        return value  # type: ignore[return-value]
    return escape(value)


class Generator(CodeGenerator):
    """Writes the code of one template; its environment has :func:`written` and ``included``."""

    names: AbstractSet[str] = frozenset()

    @classmethod
    def knowing(cls, names: AbstractSet[str]) -> type[Generator]:
        """The generator for templates that are given ``names``: no function of those is a macro."""
        return type(cls.__name__, (cls,), {"names": names})

    def write_commons(self) -> None:
        """What stands at the beginning of each function."""
        super().write_commons()
        self.writeline("escape = environment.written")

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """What one part says goes straight on, where nothing collects it; all else is Jinja's."""
        named = isinstance(node.template, nodes.Concat) or (
            isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)
        )
        if not named or frame.buffer is not None or node.ignore_missing or not node.with_context:
            super().visit_Include(node, frame)
            return
        self.writeline("yield from environment.included(", node)
        self.visit(node.template, frame)
        self.write(f", context.get_all(), {self.dump_local_context(frame)})")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """``s.views`` is ``s["views"]`` for plain data; all else is asked as ever."""
        found = self.temporary_identifier()
        self.write(f"({found}[{node.attr!r}] if type({found} := ")
        self.visit(node.node, frame)
        self.write(f") is dict and {node.attr!r} in {found}")
        self.write(f" else environment.getattr({found}, {node.attr!r}))")

    def visit_Call(  # noqa: N802 - Jinja's name
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        """Our own functions want their arguments only; macros and loops want more."""
        if forward_caller or node.dyn_args or node.dyn_kwargs or not self._is_ours(node, frame):
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.visit(node.node, frame)
        self.write("(")
        for argument in (*node.args, *node.kwargs):
            self.visit(argument, frame)
            self.write(", ")
        self.write(")")

    def _is_ours(self, node: nodes.Call, frame: Frame) -> bool:
        called = node.node
        if isinstance(called, nodes.Name):
            load = frame.symbols.find_load(frame.symbols.ref(called.name))
            from_outside = load is not None and load[0] == VAR_LOAD_RESOLVE
            return from_outside and called.name in self.names
        return isinstance(called, nodes.ExtensionAttribute)
