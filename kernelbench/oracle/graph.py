"""An operator form as something that PyTorch runs: inputs by name, and a function from them to the outputs."""

import math

import operators
import rng
import torch
from extents import dims_of, whole

SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
# Attributes that are whole numbers, or lists of them, and so may be text over dims.
WORDS = ("equation", "padding_mode", "approximate", "reduction", "rounding_mode")


def shape_of(value, dims):
    return [whole(extent, dims) for extent in value["shape"]]


def make_inputs(form, seed, device, double=False):
    """Every input by name, as the tool draws it; floats as float64 where `double`, which changes no value."""
    dims, made = dims_of(form), {}
    for value in form["inputs"]:
        distribution = value.get("distribution") or {
            "kind": "normal" if value["dtype"][0] in "fb" and value["dtype"] != "bool" else "randint",
            "a": 0, "b": {"bool": 2}.get(value["dtype"], 1 if value["dtype"][0] in "fb" else 10)}
        tensor = rng.fill(value["name"], value["dtype"], distribution, seed, shape_of(value, dims), device)
        if value.get("strides"):
            tensor = strided(tensor, [whole(s, dims) for s in value["strides"]])
        made[value["name"]] = tensor.double() if double and tensor.is_floating_point() else tensor
    return made


def strided(tensor, strides):
    span = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, strides))
    room = torch.empty(span, dtype=tensor.dtype, device=tensor.device).as_strided(tensor.shape, strides)
    return room.copy_(tensor)


def attribute(name, value, dims, double):
    if name == "dtype":
        kind = operators.DTYPES[value]
        return torch.float64 if double and kind.is_floating_point else kind
    if isinstance(value, list):
        return [whole(v, dims) for v in value]
    if isinstance(value, str):
        if value in SPECIAL:
            return SPECIAL[value]
        return value if name in WORDS or value in ("same", "valid") else whole(value, dims)
    return value


def number(value):
    """A literal: text where JSON has no number for it; a whole one is an integer to PyTorch's promotion too."""
    value = SPECIAL.get(value, value) if isinstance(value, str) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Graph(torch.nn.Module):
    """forward(*inputs) in the order of the form's inputs gives a tuple of its outputs. `double`: computed in float64,
    for inputs that make_inputs made so."""

    def __init__(self, form, double=False):
        super().__init__()
        dims = dims_of(form)
        self.names = [value["name"] for value in form["inputs"]]
        self.outputs = form["outputs"]
        self.double_ = double
        known, self.steps = set(self.names), []
        for node in form["nodes"]:
            operands = [o if isinstance(o, str) and o in known else None if o is None else number(o)
                        for o in node["operands"]]
            attributes = {k: attribute(k, v, dims, double) for k, v in node["attributes"].items()}
            self.steps.append((operators.find(node["op"]), operands, attributes, node["results"]))
            known.update(node["results"])

    def forward(self, *inputs):
        values = dict(zip(self.names, inputs))
        device = inputs[0].device if inputs else None
        for function, operands, attributes, results in self.steps:
            given = [values[o] if isinstance(o, str) else o for o in operands]
            made = function(*given, **attributes)
            if not isinstance(made, (tuple, list)):
                made = (made,)
            for name, value in zip(results, made):
                values[name] = value.to(device) if function is operators.scalar else value
        return tuple(values[name] for name in self.outputs)
