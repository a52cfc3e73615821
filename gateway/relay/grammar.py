"""What a template may say: a closed part of Jinja's language, and the names that its mail has.

Checked on the syntax tree, so in every branch, taken or not. What isn't in it can't be written: no calls, no
assignments, no macros, no arithmetic. So a template's work is bounded by its length and by the lists it is given.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import nodes

from gateway.relay.templating import FILTERS, TESTS

_CLOSED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Include),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test),
    *(nodes.Filter, nodes.Call, nodes.Keyword),
)
_TEXTS = {"gettext": 1, "ngettext": 2}  # what {% trans %} becomes, and how many sentences it is given
_LOOP = {"index": 1, "first": True, "last": True, "length": 1}
_DEEPEST = 2  # a loop in a loop
_GAPS = re.compile(r"%%|%\(\w+\)s")  # all that a sentence may hold of Python's %: a width would fill the memory
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong on a line of a template, and the remedy."""

    line: int
    text: str


def faults(tree: nodes.Template, names: Mapping[str, object], parts: Iterable[str]) -> Iterator[Fault]:
    """All that a template says but may not. `names`: what it may name, with samples; `parts`: what it may include."""
    return _walked(tree, names, frozenset(f"{part}.txt" for part in parts), 0, 1)


def _walked(
    node: nodes.Node, names: Mapping[str, object], parts: frozenset[str], depth: int, line: int
) -> Iterator[Fault]:
    """`line`: where a node stands that doesn't tell."""
    line = node.lineno or next((below.lineno for below in node.find_all(nodes.Node) if below.lineno), line)
    if isinstance(node, nodes.For):
        yield from _loop(node, names, parts, depth)
        return
    if not isinstance(node, _CLOSED):
        kind = type(node).__name__.lower()
        yield Fault(line, f"« {kind} » can't be used in these templates; say it with if, for and include")
        return
    yield from (Fault(fault.line or line, fault.text) for fault in _node(node, names, parts))
    for child in _below(node):
        yield from _walked(child, names, parts, depth, line)


def _below(node: nodes.Node) -> Iterable[nodes.Node]:
    """What is still to be looked at in a node: its names are, where it is one."""
    if isinstance(node, nodes.Getattr | nodes.Include):
        return ()
    if isinstance(node, nodes.Call):
        return (*node.args, *node.kwargs)
    return node.iter_child_nodes()


def _node(node: nodes.Node, names: Mapping[str, object], parts: frozenset[str]) -> Iterator[Fault]:
    match node:
        case nodes.Name() | nodes.Getattr():
            yield from _named(node, names)
        case nodes.Output():
            yield from (fault for child in node.nodes for fault in _printed(child, names))
        case nodes.Filter() | nodes.Test():
            yield from _applied(node, names)
        case nodes.Compare():
            yield from _compared(node)
        case nodes.Include():
            yield from _included(node, parts)
        case nodes.Call():
            yield from _translated(node, names)
        case nodes.Const() if not isinstance(node.value, str | int | None):
            yield Fault(node.lineno, f"{node.value} can't be used here; only whole numbers and texts in quotes can")


def _loop(node: nodes.For, names: Mapping[str, object], parts: frozenset[str], depth: int) -> Iterator[Fault]:
    yield from _walked(node.iter, names, parts, depth, node.lineno)
    if not isinstance(node.iter, nodes.Name | nodes.Getattr):
        yield Fault(node.lineno, "this loops over more than a name; loop over a list by its name")
    looped = _value(node.iter, names)
    if looped is not _UNKNOWN and not isinstance(looped, list):
        yield Fault(node.lineno, f"{_dotted(node.iter)} is no list; loop over a list, or leave the loop out")
    if node.recursive or depth >= _DEEPEST or not isinstance(node.target, nodes.Name):
        yield Fault(node.lineno, "this loop is too much; write « for one in many », with one more inside it at most")
        return
    element = looped[0] if isinstance(looped, list) and looped else _UNKNOWN
    inside = {**names, node.target.name: element, "loop": _LOOP}
    for child in (*node.body, *([node.test] if node.test else [])):
        yield from _walked(child, inside, parts, depth + 1, node.lineno)
    for child in node.else_:
        yield from _walked(child, names, parts, depth, node.lineno)


def _named(node: nodes.Name | nodes.Getattr, names: Mapping[str, object]) -> Iterator[Fault]:
    if isinstance(node, nodes.Name):
        if node.name not in names:
            yield Fault(node.lineno, f"there is no {node.name} here; {_instead(node.name, names)}")
        return
    if not isinstance(node.node, nodes.Name | nodes.Getattr):
        yield Fault(node.lineno, f"« .{node.attr} » follows no name; write the value alone")
        return
    above = list(_named(node.node, names))
    yield from above
    value = _value(node.node, names)
    if not above and value is not _UNKNOWN and node.attr not in (known := _attributes(value)):
        yield Fault(node.lineno, f"there is no {_dotted(node)}; {_instead(node.attr, known)}")


def _printed(node: nodes.Node, names: Mapping[str, object]) -> Iterator[Fault]:
    if isinstance(node, nodes.CondExpr):
        yield from _printed(node.expr1, names)
        if node.expr2 is None:
            yield Fault(node.lineno, "what is written otherwise isn't said; add else")
        else:
            yield from _printed(node.expr2, names)
    elif isinstance(node, nodes.Or | nodes.And):
        yield from (*_printed(node.left, names), *_printed(node.right, names))
    elif isinstance(node, nodes.Compare | nodes.Not | nodes.Test):
        yield Fault(node.lineno, "a condition is no text; ask for it with if")
    else:
        value = _value(node, names)
        if value is not _UNKNOWN and not _is_text(value):
            known = ", ".join(f"{_dotted(node)}.{name}" for name in _attributes(value))
            remedy = f"write one of {known}" if known else "ask for it with if, or loop over it with for"
            yield Fault(node.lineno, f"{_dotted(node)} is no text; {remedy}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) or type(value) is int


def _applied(node: nodes.Filter | nodes.Test, names: Mapping[str, object]) -> Iterator[Fault]:
    known, kind = (FILTERS, "filter") if isinstance(node, nodes.Filter) else (TESTS, "test")
    if node.name not in known or node.node is None:
        yield Fault(node.lineno, f"there is no {kind} {node.name} here; use {', '.join(sorted(known))}, or none")
    elif isinstance(node, nodes.Filter):
        value = _value(node.node, names)
        if not isinstance(value, list) or (node.name == "join" and not all(_is_text(one) for one in value)):
            yield Fault(node.lineno, f"{node.name} is for lists of texts; leave it out")
        if node.kwargs or not all(isinstance(one, nodes.Const) and isinstance(one.value, str) for one in node.args):
            yield Fault(node.lineno, f"{node.name} takes nothing but a text in quotes; put it so")


def _compared(node: nodes.Compare) -> Iterator[Fault]:
    """Only numbers that are never missing have an order."""
    sides = (node.expr, *(operand.expr for operand in node.ops))
    if any(operand.op not in {"eq", "ne"} for operand in node.ops) and not all(_is_number(side) for side in sides):
        yield Fault(node.lineno, "this can't be compared so; use == or !=, or compare a |length with a number")


def _is_number(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name == "length"
    return isinstance(node, nodes.Const) and type(node.value) is int


def _translated(node: nodes.Call, names: Mapping[str, object]) -> Iterator[Fault]:
    """A translation: its sentences stand in the template, and name nothing that they aren't given."""
    if not (isinstance(node.node, nodes.Name) and node.node.name in _TEXTS):
        yield Fault(node.lineno, "nothing is called in a template; write the value alone")
        return
    count = _TEXTS[node.node.name]
    given = {keyword.key: "" for keyword in node.kwargs}
    for sentence in node.args[:count]:
        if not (isinstance(sentence, nodes.Const) and _is_sentence(sentence.value, given)):
            yield Fault(node.lineno, "this can't be translated; write it as {% trans %}…{% endtrans %}")
    for number in node.args[count:]:
        if type(_value(number, names)) is not int:
            yield Fault(number.lineno, f"{_dotted(number)} is no number to count by; count by one")
    for keyword in node.kwargs:
        yield from _printed(keyword.value, names)
    unpacked = node.dyn_args is not None or node.dyn_kwargs is not None
    if unpacked or len(node.args) != 2 * count - 1 or len(given) < len(node.kwargs):
        yield Fault(node.lineno, "this can't be translated; write it as {% trans %}…{% endtrans %}")


def _is_sentence(text: object, given: Mapping[str, str]) -> bool:
    """A text with gaps, each for one of the values that it is given."""
    if not isinstance(text, str) or "%" in _GAPS.sub("", text):
        return False
    return all(gap == "%%" or gap[2:-2] in given for gap in _GAPS.findall(text))


def _included(node: nodes.Include, parts: frozenset[str]) -> Iterator[Fault]:
    name = node.template.value if isinstance(node.template, nodes.Const) else None
    if name not in parts or not node.with_context:
        yield Fault(node.lineno, f"only our parts can be included; {_instead(str(name), sorted(parts))}")


def _value(node: nodes.Node, names: Mapping[str, object]) -> object:
    """The sample value of a name, `_UNKNOWN` of anything else."""
    if isinstance(node, nodes.Name):
        return names.get(node.name, _UNKNOWN)
    if isinstance(node, nodes.Getattr):
        above = _value(node.node, names)
        if isinstance(above, Mapping):
            return above.get(node.attr, _UNKNOWN)
        return getattr(above, node.attr, _UNKNOWN) if node.attr in _attributes(above) else _UNKNOWN
    return _UNKNOWN


def _attributes(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return list(value)
    return list(getattr(type(value), "__pydantic_fields__", ()))


def _dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_dotted(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "this"


def _instead(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'nothing'}"
