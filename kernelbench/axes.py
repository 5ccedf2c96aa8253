"""Which axes of a task's tensors are one dim, and what that dim is called.

A graph has concrete shapes; the operator language is better served by named dims, because a case may then
bind other values to them. Axes that an operator forces to be equal are joined (union-find over all
nodes). An axis stays a number where something else depends on its value: kernel windows, groups, extents of 1.
"""

import math


class Axes:
    """Classes of axes of one graph; an axis is (value id, position)."""

    def __init__(self, graph):
        self.graph = graph
        self.parent = {}
        self.pinned = set()
        self.hints = {}
        for node in graph["nodes"]:
            RULES.get(node["op"], broadcast)(self, node)

    def shape(self, value):
        return self.graph["values"][value]["shape"]

    def root(self, axis):
        while axis in self.parent:
            axis = self.parent[axis]
        return axis

    def join(self, a, b):
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        assert self.shape(a[0])[a[1]] == self.shape(b[0])[b[1]], (self.graph["name"], a, b)
        self.parent[b] = a
        if b in self.pinned:
            self.pinned.add(a)
        self.hints.setdefault(a, []).extend(self.hints.pop(b, []))

    def join_shapes(self, a, b):
        """All axes of two values of equal shape."""
        for axis in range(len(self.shape(a))):
            self.join((a, axis), (b, axis))

    def pin(self, axis):
        self.pinned.add(self.root(axis))

    def hint(self, axis, name):
        self.hints.setdefault(self.root(axis), []).append(name)

    def members(self, axis):
        axis = self.root(axis)
        return [(v["id"], a) for v in self.graph["values"] for a in range(len(v["shape"]))
                if self.root((v["id"], a)) == axis]


def tensors(node):
    return [i for i in node["inputs"] if isinstance(i, int)]


def broadcast(axes, node):
    """Element-wise operators: trailing axes of equal extent are one."""
    out = node["outputs"][0]
    rank = len(axes.shape(out))
    for value in tensors(node):
        shape = axes.shape(value)
        for axis, extent in enumerate(shape):
            target = rank - len(shape) + axis
            if 0 <= target < rank and extent != 1 and axes.shape(out)[target] == extent:
                axes.join((value, axis), (out, target))


def reduction(axes, node):
    """Kept axes go through; without a dim nothing does."""
    dim, value = node["attrs"].get("dim"), node["inputs"][0]
    if dim is None:
        return
    rank = len(axes.shape(value))
    gone = {d % rank for d in ([dim] if isinstance(dim, int) else dim)}
    keep = node["attrs"].get("keepdim", False)
    for out in node["outputs"]:
        target = 0
        for axis in range(rank):
            if axis not in gone:
                axes.join((value, axis), (out, target))
            if axis not in gone or keep:
                target += 1


def matmul(axes, node):
    a, b = node["inputs"]
    out = node["outputs"][0]
    ra, rb, ro = len(axes.shape(a)), len(axes.shape(b)), len(axes.shape(out))
    assert ra >= 2 and rb >= 2
    axes.join((a, ra - 1), (b, rb - 2))
    axes.join((a, ra - 2), (out, ro - 2))
    axes.join((b, rb - 1), (out, ro - 1))
    for value, rank in ((a, ra), (b, rb)):
        for axis in range(rank - 2):
            axes.join((value, axis), (out, ro - rank + axis))
            axes.hint((value, axis), "B")
    axes.hint((a, ra - 1), "K")
    axes.hint((a, ra - 2), "M")
    axes.hint((b, rb - 1), "N")


def einsum(axes, node):
    left, right = node["attrs"]["equation"].replace(" ", "").split("->")
    first = {}
    for letters, value in zip(left.split(",") + [right], node["inputs"] + node["outputs"]):
        for axis, letter in enumerate(letters):
            axes.join(first.setdefault(letter, (value, axis)), (value, axis))
            axes.hint((value, axis), letter.upper())


def name_spatial(axes, x):
    rank = len(axes.shape(x))
    for axis, name in enumerate(["N", "C"] + (["L"] if rank == 3 else ["D", "H", "W"][5 - rank:])):
        axes.hint((x, axis), name)


def convolution(transposed):
    def rule(axes, node):
        x, w, bias = node["inputs"][:3]
        out = node["outputs"][0]
        rank = len(axes.shape(x))
        grouped = node["attrs"]["groups"] != 1
        axes.join((x, 0), (out, 0))
        for axis in range(2, rank):
            axes.pin((w, axis))
            if node["attrs"]["stride"][axis - 2] == 1 and axes.shape(x)[axis] == axes.shape(out)[axis]:
                axes.join((x, axis), (out, axis))  # padded to the same extent
        given, made = (0, 1) if transposed else (1, 0)
        if grouped:
            for axis in ((x, 1), (w, 0), (w, 1), (out, 1)):
                axes.pin(axis)
        else:
            axes.join((x, 1), (w, given))
            axes.join((w, made), (out, 1))
        if isinstance(bias, int):
            axes.join((out, 1), (bias, 0)) if not grouped else axes.pin((bias, 0))
        name_spatial(axes, x)
        axes.hint((out, 1), "O")
    return rule


def pooling(axes, node):
    x, out = node["inputs"][0], node["outputs"][0]
    for axis in range(2):
        axes.join((x, axis), (out, axis))
    name_spatial(axes, x)


def channel_norm(axes, node):
    x = node["inputs"][0]
    axes.join_shapes(x, node["outputs"][0])
    for other in tensors(node)[1:]:
        axes.join((x, 1), (other, 0))
    if node["op"] == "group_norm":
        axes.pin((x, 1))


def trailing_norm(axes, node):
    x = node["inputs"][0]
    axes.join_shapes(x, node["outputs"][0])
    for other in tensors(node)[1:]:
        skip = len(axes.shape(x)) - len(axes.shape(other))
        for axis in range(len(axes.shape(other))):
            axes.join((x, skip + axis), (other, axis))


def transpose(axes, node):
    x, out = node["inputs"][0], node["outputs"][0]
    rank = len(axes.shape(x))
    order = list(range(rank))
    a, b = node["attrs"]["dim0"] % rank, node["attrs"]["dim1"] % rank
    order[a], order[b] = order[b], order[a]
    for target, axis in enumerate(order):
        axes.join((x, axis), (out, target))


def unsqueeze(axes, node):
    x, out = node["inputs"][0], node["outputs"][0]
    new = node["attrs"]["dim"] % len(axes.shape(out))
    for axis in range(len(axes.shape(x))):
        axes.join((x, axis), (out, axis + (axis >= new)))


def select(axes, node):
    x, out = node["inputs"][0], node["outputs"][0]
    gone = node["attrs"]["dim"] % len(axes.shape(x))
    for axis in range(len(axes.shape(out))):
        axes.join((x, axis + (axis >= gone)), (out, axis))


def along(axes, node):
    """cat and narrow: all axes but the named one."""
    out = node["outputs"][0]
    rank = len(axes.shape(out))
    for value in tensors(node):
        for axis in range(rank):
            if axis != node["attrs"]["dim"] % rank:
                axes.join((value, axis), (out, axis))


def attention(axes, node):
    q, k, v = node["inputs"][:3]
    out = node["outputs"][0]
    rank = len(axes.shape(q))
    for axis in range(rank - 2):
        for value in (k, v, out):
            axes.join((q, axis), (value, axis))
        axes.hint((q, axis), "BH"[axis] if rank == 4 else "B")
    for a, b, name in (((q, -2), (out, -2), "L"), ((q, -1), (k, -1), "E"), ((k, -2), (v, -2), "S"),
                       ((v, -1), (out, -1), "V")):
        a, b = (a[0], rank + a[1]), (b[0], rank + b[1])
        axes.join(a, b)
        axes.hint(a, name)


def alike(axes, node):
    """A loss over tensors of one shape."""
    for other in tensors(node)[1:]:
        axes.join_shapes(node["inputs"][0], other)


def classes(axes, node):
    """A loss over classes: the targets are numbers of classes."""
    x, target = node["inputs"][:2]
    axes.join((x, 0), (target, 0))
    axes.pin((x, 1))


RULES = {
    "matmul": matmul, "bmm": matmul, "einsum": einsum,
    **{f"conv{n}d": convolution(False) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": convolution(True) for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": pooling for kind in ("max", "avg") for n in (1, 2, 3)},
    **{op: reduction for op in ("sum", "mean", "max", "min", "argmax", "argmin", "norm")},
    "batch_norm": channel_norm, "instance_norm": channel_norm, "group_norm": channel_norm,
    "layer_norm": trailing_norm, "transpose": transpose, "unsqueeze": unsqueeze, "select": select,
    "smooth_l1_loss": alike, "kl_div": alike, "triplet_margin_loss": alike,
    "cat": along, "narrow": along, "scaled_dot_product_attention": attention, "cross_entropy": classes,
}

FALLBACK = {1: ["N"], 2: ["M", "N"], 3: ["B", "M", "N"], 4: ["N", "C", "H", "W"], 5: ["N", "C", "D", "H", "W"]}


class Dims:
    """Names of a task's dims with their extents at both scales."""

    def __init__(self, official, small):
        self.axes = Axes(official)
        Axes(small)  # its assertions: what is equal at one scale is equal at the other
        self.names = {}    # root -> name
        self.extents = []  # (name, official, small), in order of first use
        self.small = small
        for value in official["values"]:
            if value["role"] == "intermediate" or value["dtype"] == "python_float":
                continue
            for axis, extent in enumerate(value["shape"]):
                self._name(value, axis, extent, small["values"][value["id"]]["shape"][axis])

    def _name(self, value, axis, extent, small_extent):
        root = self.axes.root((value["id"], axis))
        if root in self.names or root in self.axes.pinned or extent == 1 or small_extent == 1:
            return
        wish = (self.axes.hints.get(root) or [FALLBACK[len(value["shape"])][axis]])[0]
        taken = set(self.names.values())
        name = next(n for n in [wish] + [f"{wish}{k}" for k in range(2, 99)] if n not in taken)
        self.names[root] = name
        self.extents.append([name, extent, small_extent])

    def name(self, value, axis):
        """The dim that an axis is, or None where it is a number."""
        return self.names.get(self.axes.root((value, axis)))

    def small_extent(self, value, axis):
        name = self.name(value, axis)
        return next((e[2] for e in self.extents if e[0] == name), self.small["values"][value]["shape"][axis])

    def shrink(self, cost, limit):
        """Halves dims of the small scale, the largest first, until cost(self) is below the limit. Dims of
        weights stay, because the bounds that weights are drawn from depend on them."""
        fixed = {self.name(v["id"], a) for v in self.small["values"] if v["role"] == "parameter"
                 for a in range(len(v["shape"]))}
        windows = self._windows()
        for least, names in ((16, None), (8, None), (1, ("N", "B")), (4, None)):
            while cost(self) > limit:
                free = [e for e in self.extents if e[0] not in fixed and (names is None or e[0] in names) and
                        e[2] // 2 >= max(least, windows.get(e[0], 0))]
                if not free:
                    break
                largest = max(free, key=lambda e: e[2])
                half = largest[2] // 2
                largest[2] = half + 1 if largest[2] % 2 and half % 2 == 0 else half  # odd stays odd

    def _windows(self):
        """Dims over which a window of a convolution moves, and the window's reach."""
        reach = {}
        for node in self.small["nodes"]:
            if not node["op"].startswith("conv"):
                continue
            x, w = node["inputs"][:2]
            for axis, dilation in enumerate(node["attrs"]["dilation"], 2):
                extent = dilation * (self.small["values"][w]["shape"][axis] - 1) + 1
                reach[self.name(x, axis)] = max(extent, reach.get(self.name(x, axis), 0))
        return reach


PER_TAP = 4  # a multiply-add of a convolution, with the addressing and the guards of its window
PER_ELEMENT = 8  # what an element costs beside the arithmetic of its operator: loading, storing, addressing


def work(dims):
    """Scalar operations of the small scale, roughly: products count by their contraction."""
    total = 0
    for node in dims.small["nodes"]:
        def extents(value):
            return [dims.small_extent(value, a) for a in range(len(dims.small["values"][value]["shape"]))]
        op, inputs, out = node["op"], tensors(node), extents(node["outputs"][0])
        if op in ("matmul", "bmm", "einsum"):
            total += 2 * math.prod(out) * extents(inputs[0])[-1]
        elif op.startswith("conv_transpose"):
            total += PER_TAP * math.prod(extents(inputs[0])) * math.prod(extents(inputs[1])[1:])
        elif op.startswith("conv"):
            moved = math.prod(node["attrs"]["stride"])
            x = extents(inputs[0])
            total += PER_TAP * x[0] * math.prod(x[2:]) // moved * math.prod(extents(inputs[1]))
        elif op == "scaled_dot_product_attention":
            total += 4 * math.prod(extents(inputs[0])) * extents(inputs[1])[-2]
        else:
            window = math.prod(node["attrs"]["kernel_size"]) if isinstance(
                node["attrs"].get("kernel_size"), list) else node["attrs"].get("kernel_size", 1)
            total += PER_ELEMENT * max(math.prod(extents(v)) for v in inputs) * window
    return total
