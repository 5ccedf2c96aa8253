"""From PyTorch's calls, as a graph records them, to rows of the operator table.

Most calls are a row of the same name. Losses and attention are written out in rows. What no row expresses keeps its
PyTorch name, so that the tool can say which operator it lacks.
"""


# Attributes that a row takes as a list where PyTorch takes one number as well.
WINDOW = ("kernel_size", "stride", "padding", "dilation")
LISTS = {**{op: ("dim",) for op in ("sum", "mean", "prod", "amax", "amin", "norm", "logsumexp", "var", "std")},
         **{f"{kind}_pool{n}d": WINDOW for kind in ("max", "avg") for n in (1, 2, 3)}}


def as_list(value):
    return value if isinstance(value, list) else [value]


class Unmapped(Exception):
    pass


class Nodes:
    """The nodes of one operator form, as they are made. An operand is the name of a value, a number, or None."""

    def __init__(self, graph, dims):
        self.graph = graph
        self.dims = dims
        self.made = []
        self.renamed = {}  # what graphs call an intermediate -> "_<number of the node>", the form's anonymous name

    def add(self, op, operands, attributes=None, results=None):
        anonymous = f"_{len(self.made)}"
        if results is None:
            results = [anonymous]
        elif len(results) == 1 and results[0].startswith("_"):
            self.renamed[results[0]] = anonymous
            results = [anonymous]
        attributes = {k: as_list(v) if k in LISTS.get(op, ()) else v for k, v in (attributes or {}).items() if v is not None}
        self.made.append({"op": op, "operands": list(operands), "attributes": attributes, "results": results})
        return results[0]

    def shape(self, value):
        return self.graph["values"][value]["shape"]

    def extent(self, value, axis):
        """An extent as an attribute: the dim's name, or the number."""
        shape = self.shape(value)
        return self.dims.name(value, axis % len(shape)) or shape[axis]


def same(nodes, node, operands, attrs, results):
    nodes.add(node["op"], operands, attrs, results)


def einsum(nodes, node, operands, attrs, results):
    nodes.add("einsum", operands, {"equation": attrs["equation"]}, results)


def norm(nodes, node, operands, attrs, results):
    kept = {"p": 2 if attrs["p"] == "fro" else attrs["p"]}
    if attrs.get("dim") is not None:
        kept.update(dim=attrs["dim"], keepdim=attrs["keepdim"])
    nodes.add("norm", operands, kept, results)


def batch_norm(nodes, node, operands, attrs, results):
    """In training mode statistics are the batch's; the running ones are not read."""
    if attrs["training"]:
        operands = [operands[0], None, None] + operands[3:]
    nodes.add("batch_norm", operands, {"training": attrs["training"], "eps": attrs["eps"]}, results)


def instance_norm(nodes, node, operands, attrs, results):
    nodes.add("instance_norm", operands, {"use_input_stats": attrs["use_input_stats"], "eps": attrs["eps"]}, results)


def layer_norm(nodes, node, operands, attrs, results):
    rank = len(attrs["normalized_shape"])
    shape = [nodes.extent(node["inputs"][0], axis) for axis in range(-rank, 0)]
    nodes.add("layer_norm", operands, {"normalized_shape": shape, "eps": attrs["eps"]}, results)


def clamp(nodes, node, operands, attrs, results):
    nodes.add("clamp", [operands[0], attrs.get("min"), attrs.get("max")], {}, results)


def narrow(nodes, node, operands, attrs, results):
    value, dim = node["inputs"][0], attrs["dim"]
    left_out = nodes.shape(value)[dim] - attrs["length"]
    name = nodes.dims.name(value, dim)
    length = f"{name} - {left_out}" if name and left_out else name or attrs["length"]
    nodes.add("narrow", operands, {"dim": dim, "start": attrs["start"], "length": length}, results)


def smooth_l1_loss(nodes, node, operands, attrs, results):
    """mean(|d| < beta ? d^2 / (2 beta) : |d| - beta / 2)"""
    beta = attrs["beta"]
    if attrs["reduction"] != "mean":
        raise Unmapped
    d = nodes.add("sub", operands)
    size = nodes.add("abs", [d])
    inner = nodes.add("mul", [nodes.add("square", [d]), 0.5 / beta])
    outer = nodes.add("sub", [size, 0.5 * beta])
    nodes.add("mean", [nodes.add("where", [nodes.add("lt", [size, beta]), inner, outer])], {}, results)


def kl_div(nodes, node, operands, attrs, results):
    """sum(t log t - t x) / batch, where 0 log 0 = 0"""
    if attrs["reduction"] != "batchmean" or attrs["log_target"]:
        raise Unmapped
    x, target = operands
    entropy = nodes.add("mul", [target, nodes.add("log", [target])])
    entropy = nodes.add("where", [nodes.add("gt", [target, 0]), entropy, 0])
    total = nodes.add("sum", [nodes.add("sub", [entropy, nodes.add("mul", [target, x])])])
    value = node["inputs"][0]
    batch = nodes.add("scalar", [], {"value": nodes.extent(value, 0)})
    nodes.add("div", [total, batch], {}, results)


def triplet_margin_loss(nodes, node, operands, attrs, results):
    """mean(max(margin + |a - p + eps| - |a - n + eps|, 0)), norms over the last dim"""
    if attrs["swap"] or attrs["reduction"] != "mean":
        raise Unmapped
    anchor, positive, negative = operands

    def distance(other):
        apart = nodes.add("add", [nodes.add("sub", [anchor, other]), attrs["eps"]])
        return nodes.add("norm", [apart], {"p": attrs["p"], "dim": -1})

    gap = nodes.add("sub", [distance(positive), distance(negative)])
    hinge = nodes.add("clamp_min", [nodes.add("add", [gap, attrs["margin"]]), 0])
    nodes.add("mean", [hinge], {}, results)


def attention(nodes, node, operands, attrs, results):
    """softmax(q k^T / sqrt(E)) v"""
    if attrs["is_causal"] or attrs["dropout_p"] or attrs["scale"] is not None or len(operands) != 3:
        raise Unmapped
    q, k, v = operands
    value = node["inputs"][0]
    width = nodes.add("scalar", [], {"value": nodes.extent(value, -1)})
    scores = nodes.add("matmul", [q, nodes.add("transpose", [k], {"dim0": -2, "dim1": -1})])
    scaled = nodes.add("mul", [scores, nodes.add("rsqrt", [width])])
    nodes.add("matmul", [nodes.add("softmax", [scaled], {"dim": -1}), v], {}, results)


MAPPED = {
    "einsum": einsum, "norm": norm, "batch_norm": batch_norm, "instance_norm": instance_norm,
    "layer_norm": layer_norm, "clamp": clamp, "narrow": narrow, "smooth_l1_loss": smooth_l1_loss, "kl_div": kl_div,
    "triplet_margin_loss": triplet_margin_loss, "scaled_dot_product_attention": attention,
}


def map_nodes(graph, dims, names):
    """The operator form's nodes; `names` gives each value's name and is asked for results as well."""
    nodes = Nodes(graph, dims)
    read = set(graph["outputs"]) | {i for n in graph["nodes"] for i in n["inputs"] if isinstance(i, int)}
    for node in graph["nodes"]:
        operands = [i["lit"] if isinstance(i, dict) else None if i is None else names(i) for i in node["inputs"]]
        operands = [nodes.renamed.get(o, o) if isinstance(o, str) else o for o in operands]
        while operands and operands[-1] is None:
            operands.pop()
        # Results from the first to the last that is read; the others are not wanted.
        wanted = max(k for k, v in enumerate(node["outputs"]) if v in read or k == 0) + 1
        results = [names(v) for v in node["outputs"][:wanted]]
        before = len(nodes.made)
        try:
            MAPPED.get(node["op"], same)(nodes, node, operands, node["attrs"], results)
        except Unmapped:
            del nodes.made[before:]
            same(nodes, node, operands, node["attrs"], results)
    return nodes.made
