"""The rows of the operator table as PyTorch calls.

Most rows are a function of torch or torch.nn.functional with the same name and the same order of arguments, which
find() looks up. What differs (a default, a dim that may be a list, an operand that must be a tensor) is written out.
A call gets its operands (tensors, numbers, None) and its attributes by name, already evaluated.
"""

import torch
import torch.nn.functional as F

DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
          "i64": torch.int64, "i32": torch.int32, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool}
ALIASES = {"subtract": "sub", "multiply": "mul", "true_divide": "div", "divide": "div", "clip": "clamp",
           "negative": "neg", "clone": "identity", "contiguous": "identity", "swish": "silu", "view": "reshape",
           "concat": "cat", "cast": "to"}


def identity(x):
    return x


def scalar(value):
    return torch.tensor(value)


def tensors_like(function):
    """For PyTorch functions that take no numbers."""

    def call(a, b):
        like = a if isinstance(a, torch.Tensor) else b
        as_tensor = lambda v: v if isinstance(v, torch.Tensor) else torch.tensor(v, device=like.device).to(
            torch.result_type(like, v))
        return function(as_tensor(a), as_tensor(b))

    return call


def where(condition, a, b):
    like = a if isinstance(a, torch.Tensor) else b
    if not isinstance(like, torch.Tensor):
        like = torch.empty(0, device=condition.device)
    kind = torch.result_type(a, b) if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor) else like.dtype
    as_tensor = lambda v: v if isinstance(v, torch.Tensor) else torch.tensor(v, dtype=kind, device=condition.device)
    return torch.where(condition, as_tensor(a), as_tensor(b))


def axes(dim, x):
    """None, a number or a list, as a list of axes."""
    if dim is None:
        return list(range(x.dim()))
    return sorted((d % x.dim() for d in (dim if isinstance(dim, list) else [dim])), reverse=True)


def one_by_one(function):
    """For reductions that PyTorch takes over one dim at a time: from the last to the first."""

    def call(x, dim=None, keepdim=False, **rest):
        for axis in sorted(axes(dim, x), reverse=True):
            x = function(x, axis, keepdim, **rest)
        return x

    return call


def over(function):
    """For reductions over a list of dims, where None is all of them."""
    return lambda x, dim=None, **rest: function(x, dim=axes(dim, x), **rest)


def spread(function):
    def call(x, dim=None, unbiased=True, keepdim=False, correction=1):
        return function(x, dim=axes(dim, x), unbiased=unbiased and correction == 1, keepdim=keepdim)

    return call


def extreme(function):
    """max and min: one tensor, two of them, or values and positions along a dim."""
    pair = tensors_like(torch.maximum if function is torch.max else torch.minimum)

    def call(x, other=None, dim=None, keepdim=False):
        if other is not None:
            return pair(x, other)
        return function(x) if dim is None else tuple(function(x, dim=dim, keepdim=keepdim))

    return call


def norm(x, p=2, dim=None, keepdim=False):
    return torch.linalg.vector_norm(x, p, dim=dim, keepdim=keepdim)


def rms_norm(x, weight=None, normalized_shape=(), eps=None):
    eps = torch.finfo(torch.float32 if x.dtype == torch.float64 else x.dtype).eps if eps is None else eps
    y = x * torch.rsqrt(x.square().mean(dim=tuple(range(-len(normalized_shape), 0)), keepdim=True) + eps)
    return y if weight is None else y * weight


def layer_norm(x, weight=None, bias=None, normalized_shape=(), eps=1e-5):
    return F.layer_norm(x, normalized_shape, weight, bias, eps)


def group_norm(x, weight=None, bias=None, num_groups=1, eps=1e-5):
    return F.group_norm(x, num_groups, weight, bias, eps)


def instance_norm(x, mean=None, variance=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    return F.instance_norm(x, mean, variance, weight, bias, use_input_stats, momentum, eps)


def along(function):
    """softmax and its like: the last dim unless one is named."""
    return lambda x, dim=-1, dtype=None: function(x, dim=dim, dtype=dtype)


def slice_(x, dim=0, start=0, end=None, step=1):
    index = [slice(None)] * x.dim()
    index[dim] = slice(start, end, step)
    return x[tuple(index)]


def squeeze(x, dim=None):
    for axis in sorted(axes(dim, x), reverse=True):
        x = x.squeeze(axis)
    return x


def to(x, dtype):
    return x.to(dtype)


def cross_entropy(x, target, **rest):
    return F.cross_entropy(x, target.long(), **rest)


ROWS = {
    "identity": identity, "scalar": scalar, "where": where, "norm": norm, "rms_norm": rms_norm,
    "layer_norm": layer_norm, "group_norm": group_norm, "instance_norm": instance_norm, "slice": slice_,
    "squeeze": squeeze, "to": to, "cross_entropy": cross_entropy, "var": spread(torch.var), "std": spread(torch.std),
    "einsum": lambda *operands, equation: torch.einsum(equation, list(operands)),
    "cat": lambda *tensors, dim=0: torch.cat(tensors, dim),
    "stack": lambda *tensors, dim=0: torch.stack(tensors, dim),
    "permute": lambda x, dims: x.permute(dims), "reshape": lambda x, shape: x.reshape(shape),
    "expand": lambda x, sizes: x.expand(sizes), "transpose": lambda x, dim0, dim1: x.transpose(dim0, dim1),
    "max": extreme(torch.max), "min": extreme(torch.min),
    "batch_norm": F.batch_norm, "logsigmoid": F.logsigmoid, "threshold": F.threshold, "relu6": F.relu6, "hardtanh": F.hardtanh,
    "clamp_min": lambda x, low: torch.clamp(x, min=low), "clamp_max": lambda x, high: torch.clamp(x, max=high),
    "clamp": lambda x, low=None, high=None: torch.clamp(x, low, high),
    **{name: one_by_one(getattr(torch, name)) for name in ("any", "all", "prod")},
    **{name: over(getattr(torch, name)) for name in ("sum", "mean", "amax", "amin", "logsumexp")},
    **{name: along(getattr(F, name)) for name in ("softmax", "softmin", "log_softmax")},
    **{name: tensors_like(getattr(torch, name)) for name in
       ("maximum", "minimum", "logical_and", "logical_or", "logical_xor")},
}


def find(name):
    """The function of a row. Raises ValueError where PyTorch has none of this name."""
    name = ALIASES.get(name, name)
    if name in ROWS:
        return ROWS[name]
    for module in (torch, F):
        function = getattr(module, name, None)
        if callable(function):
            return function
    raise ValueError(f"operator '{name}' has no counterpart in PyTorch {torch.__version__}")
