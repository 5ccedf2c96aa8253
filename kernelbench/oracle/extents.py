"""Extents and other whole numbers of an operator form: numbers, or text over its dims.

    whole(expression) = names, whole numbers, + - * / // % (division rounds down), min, max, ceil_div, align_up
"""

import ast

BINARY = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
          ast.Div: lambda a, b: a // b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b}
CALLS = {"min": min, "max": max, "ceil_div": lambda a, b: -(-a // b), "align_up": lambda a, b: -(-a // b) * b}


def whole(expression, dims):
    """The value of one extent. Raises ValueError for what is no whole-number expression over `dims`."""
    if isinstance(expression, int) and not isinstance(expression, bool):
        return expression
    try:
        return evaluate(ast.parse(expression, mode="eval").body, dims)
    except (SyntaxError, TypeError, ZeroDivisionError, RecursionError) as error:
        raise ValueError(f"'{expression}' is no whole number here: {error}") from None


def evaluate(node, dims):
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name) and node.id in dims:
        return dims[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -evaluate(node.operand, dims)
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        return BINARY[type(node.op)](evaluate(node.left, dims), evaluate(node.right, dims))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS and len(node.args) == 2:
        return CALLS[node.func.id](*(evaluate(a, dims) for a in node.args))
    raise ValueError(f"'{ast.unparse(node)}' is no whole number over {', '.join(dims) or 'no dims'}")


def dims_of(form):
    return dict(map(tuple, form["dims"]))
