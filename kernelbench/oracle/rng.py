"""Inputs by the counter RNG of src/base/rng.hpp and src/op/random.cpp, bit for bit.

An element is a pure function of (seed, tensor's name, index). The arithmetic is on 64-bit words in two's complement
and written once: it takes Python integers and PyTorch's int64 tensors, of any device, alike.

  normal(a, b)   a + (S - 131070) * (float32(sqrt(3) * b) * 2^-16), S the sum of the four 16-bit fields
  uniform(a, b)  a + u * float32(b - a), u the top 24 bits * 2^-24
  randint(a, b)  a + floor((top 32 bits) * (b - a) / 2^32)
"""

import math
import struct

GOLDEN, STEP = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
MIX1, MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
WORD = (1 << 64) - 1


def wrap(z):
    """A Python integer as a signed 64-bit word. Tensors wrap around by themselves."""
    return ((z + (1 << 63)) & WORD) - (1 << 63) if isinstance(z, int) else z


def shift_right(z, k):
    """Zeros come in from the left, whatever the sign."""
    return (z >> k) & wrap((1 << (64 - k)) - 1)


def mix64(z):
    z = wrap(z + wrap(GOLDEN))
    z = wrap((z ^ shift_right(z, 30)) * wrap(MIX1))
    z = wrap((z ^ shift_right(z, 27)) * wrap(MIX2))
    return z ^ shift_right(z, 31)


def stream_of(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & WORD
    return mix64(wrap(h))


def key_of(seed, name):
    return mix64(wrap(wrap(seed) ^ mix64(stream_of(name))))


def to_float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def element_of(bits, distribution):
    """From the 64 bits of an element to its value, before it is rounded to its type: a float where `bits` is an
    integer, a float64 tensor where it is a tensor."""
    kind, a, b = distribution["kind"], float(distribution.get("a", 0)), float(distribution.get("b", 0))
    real = float if isinstance(bits, int) else lambda t: t.double()
    if kind == "normal":
        total = sum(shift_right(bits, k) & 0xFFFF for k in (0, 16, 32, 48))
        return a + real(total - 131070) * (to_float32(math.sqrt(3.0) * b) * 2.0**-16)
    if kind == "uniform":
        return a + real(shift_right(bits, 40)) * 2.0**-24 * to_float32(b - a)
    if kind == "randint":
        # At most 32 by 31 bits; a wider range would not fit the word.
        return a + real(shift_right(wrap(shift_right(bits, 32) * int(b - a)), 32))
    if kind == "constant":
        return real(bits & 0) + a
    raise ValueError(f"no distribution '{kind}'")


def draw(name, distribution, seed, index):
    """One element, or a tensor of them where `index` is one, before rounding."""
    return element_of(mix64(wrap(key_of(seed, name) + wrap(index * wrap(STEP)))), distribution)


def round_float(x, significand, smallest):
    """A Python float rounded to nearest even with `significand` bits, none of them worth less than 2^smallest."""
    if x == 0 or math.isinf(x) or math.isnan(x):
        return x
    exponent = math.frexp(x)[1] - significand
    unit = 2.0 ** max(exponent, smallest)
    return round(x / unit) * unit


FORMATS = {"f64": (53, -1074), "f32": (24, -149), "f16": (11, -24), "bf16": (8, -133)}


def round_number(x, dtype):
    """A drawn number in its type, where the type is in range of it. For tests and single elements."""
    if dtype in FORMATS:
        return round_float(x, *FORMATS[dtype])
    return float(x != 0) if dtype == "bool" else float(math.trunc(x))


def odd_float32(drawn):
    """A float64 tensor in float32, rounded to odd, so that one more rounding (to f16 or bf16) is as good as one alone:
    PyTorch casts float64 to those through float32, which rounds twice."""
    import torch

    single = drawn.float()
    bits = single.view(torch.int32)
    bits = torch.where(single.double().abs() > drawn.abs(), bits - 1, bits)
    inexact = bits.view(torch.float32).double() != drawn
    return torch.where(inexact, bits | 1, bits).view(torch.float32)


def fill(name, dtype, distribution, seed, shape, device):
    """A whole input as a tensor of its own dtype. `dtype` is the operator language's word."""
    import torch

    count = math.prod(shape)
    at_once = 1 << 22  # elements; bounds the words that are alive
    kinds = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
             "i64": torch.int64, "i32": torch.int32, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool}
    if dtype not in kinds:
        raise ValueError(f"input {name}: PyTorch has no {dtype} here")
    out = torch.empty(count, dtype=kinds[dtype], device=device)
    for first in range(0, count, at_once):
        index = torch.arange(first, min(first + at_once, count), dtype=torch.int64, device=device)
        drawn = draw(name, distribution, seed, index)
        if dtype in ("f16", "bf16"):
            drawn = odd_float32(drawn)
        out[first:first + index.numel()] = (drawn != 0) if dtype == "bool" else drawn.to(kinds[dtype])
    return out.reshape(shape)
