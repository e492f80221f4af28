"""A whole formula to a FormulaSpec: response, fixed part, random-effects terms.

The text is parsed once; the random-effects terms are the brackets with a bar among the summands,
and what is left is the fixed part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import inner_nodes
from mixedmodels.formula.grammar import parse_tokens
from mixedmodels.formula.limits import MAX_RANDOM_TERMS
from mixedmodels.formula.random_terms import Chunk, random_chunk, refuse_structure, terms_of_chunk
from mixedmodels.formula.spec import FormulaSpec, RandomTerm, write_terms
from mixedmodels.formula.terms import make_factor, parse_terms, summands_of
from mixedmodels.formula.tokens import Token, split_tokens
from mixedmodels.formula.tree import BARS, POWERS, SUM, Bracket, Call, Chain, Node, Prefix


def parse_formula(text: str) -> FormulaSpec:
    """Parse a mixed-model formula such as ``"Reaction ~ Days + (Days | Subject)"``.

    Args:
        text: ``response ~ fixed + (lhs | group) + ...``, in R's grammar: the fixed part and each
            `lhs` are terms joined by ``+ - : * / ^ %in%`` (``**`` is ``^``), and whatever stands in
            calls such as ``log(x)`` or ``I(x^2)`` is computed.

    Returns:
        The parsed formula; the same object for the same text.

    Raises:
        FormulaError: with the formula and a caret under the offending piece.

    Example:
        >>> spec = parse_formula("Reaction ~ Days + (Days | Subject)")
        >>> spec.fixed, [term.name for term in spec.random]
        ('1 + Days', ['(1 + Days | Subject)'])
    """
    if not isinstance(text, str):
        raise _not_text(text)
    return _parse(text)


def _not_text(given: object) -> FormulaError:
    kind = type(given).__name__
    if hasattr(given, "columns") or isinstance(given, Mapping):
        return FormulaError(
            f"A formula is a string; this is a {kind}. The formula comes first, then the data."
        )
    return FormulaError(f"A formula is a string; this is {kind}: {given!r:.80}.")


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> FormulaSpec:
    left, right = sides(text, split_tokens(text))
    if len(left) == 1:
        end = left[0]
        raise FormulaError("The response is missing left of '~'.", text, end.start, end.end)
    response = make_factor(text, parse_tokens(text, left, computing=True))
    tree = parse_tokens(text, right, computing=False)
    if isinstance(tree, Chain) and tree.operators[0] in SUM:
        _check_operands(text, tree)
    fixed: list[tuple[str, Node]] = []
    chunks: list[Chunk] = []
    for sign, node in summands_of(tree):
        chunk = random_chunk(node)
        if chunk is not None and sign == "+":
            chunks.append(chunk)
        else:
            fixed.append((sign, node))
    for _, node in fixed:
        check_without_bars(text, node)
    random = _random_terms(text, chunks)
    if not random:
        raise FormulaError(
            "There is no random-effects term; add one such as (1 | group). "
            "Without one this is an ordinary regression, which statsmodels fits.",
            text,
            tree.start,
            tree.end,
        )
    terms, offsets = parse_terms(text, fixed)
    return FormulaSpec(
        text=text,
        response=response.name,
        fixed=write_terms(terms),
        random=random,
        response_factor=response,
        terms=terms,
        offsets=offsets,
        powers=tuple(dict.fromkeys(_powers_of_one(text, tree))),
    )


def _powers_of_one(text: str, tree: Node) -> Iterator[str]:
    """Powers of a single term, as typed: in R's algebra they are the term itself."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call) or (isinstance(node, Bracket) and node.braces):
            continue  # arithmetic
        if isinstance(node, Chain) and node.operators[0] in POWERS:
            base, exponent = node.operands[0], node.operands[1]
            while isinstance(base, Bracket) and not base.braces:
                base = base.inner
            single = not isinstance(base, Chain) or base.operators[0] == ":"
            if single and text[exponent.start : exponent.end].strip("() ") != "1":
                yield text[node.start : node.end]
        waiting.extend(inner_nodes(node))


def sides(text: str, tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """The tokens left and right of the tilde, each with an end; nothing else left of it is allowed.

    Raises:
        FormulaError: There is not one tilde, or nothing stands right of it.
    """
    tildes = [i for i, token in enumerate(tokens) if token[:2] == ("operator", "~")]
    if not tildes:
        raise FormulaError(
            "There is no '~'; a formula is 'response ~ fixed + (1 | group)'.", text, 0, len(text)
        )
    depth = 0
    for token in tokens[: tildes[0]]:
        depth += (token.kind == "open") - (token.kind == "close")
    if len(tildes) > 1 or depth:
        extra = tokens[tildes[-1]]
        message = "A formula has one '~' only, outside of brackets; write !x for 'not x'."
        raise FormulaError(message, text, extra.start, extra.end)
    tilde = tokens[tildes[0]]
    left, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
    if len(right) == 1:
        raise FormulaError("Nothing stands right of '~'.", text, tilde.start, tilde.end)
    return [*left, Token("end", "", tilde.start, tilde.end)], right


def _random_terms(text: str, chunks: Sequence[Chunk]) -> tuple[RandomTerm, ...]:
    found: list[RandomTerm] = []
    for chunk in chunks:
        found.extend(terms_of_chunk(text, chunk))
        if len(found) > MAX_RANDOM_TERMS:
            message = (
                f"The formula has {max(len(found), len(chunks)):,} random-effects terms or more; "
                f"the limit is {MAX_RANDOM_TERMS:,}."
            )
            raise FormulaError(message, text, chunk.start, chunk.end)
    return tuple(found)


def check_without_bars(text: str, node: Node) -> None:
    """Refuse a bar that is neither inside of a call nor in a bracket that is added."""
    waiting = [(node, node)]
    while waiting:
        node, outer = waiting.pop()
        if isinstance(node, Call):
            _check_call(text, node)
            continue
        if isinstance(node, Chain) and node.operators[0] in BARS:
            raise _misplaced(text, node, outer)
        if isinstance(node, Chain):
            _check_operands(text, node)
        if not (isinstance(node, Bracket) and node.braces):
            waiting.extend((inner, node) for inner in inner_nodes(node))


def _check_operands(text: str, node: Chain) -> None:
    """Refuse an operator without an operand beside a random-effects term.

    In ``a * + (1 | g)`` the grammar takes the plus for a sign of what ``*`` multiplies. Two pluses
    are R's and mean one.
    """
    for i, (operator, place) in enumerate(zip(node.operators, node.places, strict=True)):
        first, signed = _first_of(node.operands[i + 1])
        if signed and operator != "+" and (random_chunk(first) or random_chunk(node.operands[i])):
            message = f"Nothing stands right of '{operator}'."
            raise FormulaError(message, text, place, place + len(operator))


def _first_of(node: Node) -> tuple[Node, bool]:
    """The leftmost operand of an expression, and whether a sign stands before it."""
    signed = False
    while isinstance(node, (Chain, Prefix)):
        signed = signed or isinstance(node, Prefix)
        node = node.operand if isinstance(node, Prefix) else node.operands[0]
    return node, signed


def _check_call(text: str, node: Call) -> None:
    """Refuse ``x (1 | g)``, a call for R too but a forgotten plus, and ``us(x | g)``."""
    refuse_structure(text, node)
    bracket = text.index("(", node.name_end)
    if bracket > node.name_end and len(node.arguments) == 1:
        (inner,) = node.arguments
        if random_chunk(Bracket(bracket, node.end, inner, braces=False)) is not None:
            message = "A '+' is missing before this random-effects term."
            raise FormulaError(message, text, bracket, node.end)


def _misplaced(text: str, bar: Chain, outer: Node) -> FormulaError:
    if outer is bar:
        place, width = bar.places[0], len(bar.operators[0])
        message = "A random-effects term stands in parentheses, as in (1 + x | group)."
        return FormulaError(message, text, place, place + width)
    message = (
        "A random-effects term can only be added to the formula, with '+', outside of brackets."
    )
    return FormulaError(message, text, outer.start, outer.end)
