#!/usr/bin/env python3
"""Writes kernelbench/level<N>.jsonl: the tasks of a KernelBench level in the operator language's JSON form.

usage: import_tasks.py GRAPHS [--level N] [--out FILE]

GRAPHS is a folder of operator graphs of the suite (README.md says what is in them): level<N>.jsonl at the official
sizes and level<N>.small.jsonl at sizes for a machine without a GPU, task by task with the same nodes. The output has
one task per line and depends on nothing but those two files.
"""

import argparse
import json
import math
import os
import re
import sys

from axes import Dims, work
from rows import map_nodes

# Scalar operations of a small form, at most: what an emulator does in a few seconds.
SMALL_OPERATIONS = 3e7
DTYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32",
          "int8": "i8", "uint8": "u8", "bool": "bool"}


def generators(init):
    return [init["gen"]] + [g for a in init.get("args", []) if isinstance(a, dict) for g in generators(a)]


def distribution(init, shape):
    """How a tensor's elements are drawn, and a note where that is not quite what the suite draws."""
    gen = init["gen"]
    exact = {"rand": ["uniform", 0, 1], "randn": ["normal", 0, 1], "zeros": ["constant", 0], "ones": ["constant", 1]}
    if gen in exact:
        return exact[gen], None
    if gen == "uniform":
        return ["uniform", init["low"], init["high"]], None
    if gen == "normal":
        return ["normal", init["mean"], init["std"]], None
    if gen == "fill":
        return ["constant", init["value"]], None
    if gen == "randint":
        return ["randint", init["low"], init["high"]], None
    affine = init.get("affine")
    if affine and affine["of"] == "randint":
        source = init
        while source["gen"] != "randint":
            source = source["args"][0]
        low, last = (affine["scale"] * v + affine["shift"] for v in (source["low"], source["high"] - 1))
        note = None if affine["scale"] == 1 else f"whole numbers from {low:g} to {last:g}; the suite draws them in steps of {affine['scale']:g}"
        return ["randint", int(low), int(last) + 1], note
    inside = set(generators(init)) - {"rand"}
    if gen == "softmax":
        n, e = shape[-1], math.e
        return ["uniform", 1 / ((e - 1) * n), e / ((e - 1) * n)], "drawn from softmax's range; rows do not add up to 1"
    if gen == "div" and inside == {"div", "add", "transpose"}:
        return ["uniform", 0, 1], "the suite's matrix is symmetric"
    if gen in ("triu", "tril"):
        return ["uniform", 0, 1], f"the suite's matrix is {'upper' if gen == 'triu' else 'lower'} triangular"
    if gen == "mul" and inside == {"mul"}:
        return ["uniform", 0, 1], "the suite scales the tensor by one more random number"
    raise SystemExit(f"import_tasks: no distribution for {init}")


class Form:
    """One task's operator form at one of its two scales."""

    def __init__(self, graph, dims, column):
        self.graph, self.dims, self.column = graph, dims, column
        self.notes = []
        self.names = self._name_values()

    def _name_values(self):
        values, names = self.graph["values"], {}
        inputs = [v for v in values if v["role"] == "input" and v["dtype"] != "python_float"]
        for v in inputs:
            names[v["id"]] = "x" if len(inputs) == 1 else f"x{v['name']}"
        for v in values:
            if v["role"] in ("parameter", "buffer", "constant"):
                names[v["id"]] = re.sub(r"[^A-Za-z0-9]", "_", v["name"])
        outputs = self.graph["outputs"]
        for k, v in enumerate(outputs):
            names.setdefault(v, "y" if len(outputs) == 1 else f"y{k}")
        for v in values:
            if v["dtype"] != "python_float":
                names.setdefault(v["id"], f"_{v['id']}")  # anonymous: renamed by its node
        assert len(set(names.values())) == len(names), self.graph["name"]
        return names

    def operand(self, value):
        v = self.graph["values"][value]
        return v["init"]["value"] if v["dtype"] == "python_float" else self.names[value]

    def extents(self, v):
        return [self.dims.small_extent(v["id"], a) if self.column == 2 else e for a, e in enumerate(v["shape"])]

    def inputs(self, used):
        made = []
        for v in self.graph["values"]:
            if v["role"] == "intermediate" or self.names.get(v["id"]) not in used:
                continue
            drawn, note = distribution(v["init"], self.extents(v))
            if note:
                self.notes.append(f"{self.names[v['id']]}: {note}")
            shape = [self.dims.name(v["id"], a) or e for a, e in enumerate(v["shape"])]
            role = "input" if v["role"] == "input" else "weight"
            made.append({"name": self.names[v["id"]], "dtype": DTYPES[v["dtype"]], "shape": shape, "role": role,
                         "distribution": dict(zip(("kind", "a", "b"), drawn))})
        return made

    def json(self):
        nodes = map_nodes(self.graph, self.dims, self.operand)
        used = {o for n in nodes for o in n["operands"] if isinstance(o, str)}
        inputs = self.inputs(used)
        return {"dims": [[e[0], e[self.column]] for e in self.dims.extents], "inputs": inputs, "nodes": nodes,
                "outputs": [self.names[v] for v in self.graph["outputs"]]}


def task(official, small):
    dims = Dims(official, small)
    dims.shrink(work, SMALL_OPERATIONS)
    forms = [Form(official, dims, 1), Form(small, dims, 2)]
    made = [form.json() for form in forms]
    assert made[0]["nodes"] == made[1]["nodes"], official["name"]
    return {"level": official["level"], "id": official["id"], "name": official["name"].split("_", 1)[1].strip("_"),
            "source_sha256": official["source_sha256"], "official": made[0], "small": made[1],
            "notes": official["notes"] + forms[0].notes}


def read(path):
    with open(path, encoding="utf-8") as lines:
        return {t["id"]: t for t in map(json.loads, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graphs")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--out")
    options = parser.parse_args()
    official = read(os.path.join(options.graphs, f"level{options.level}.jsonl"))
    small = read(os.path.join(options.graphs, f"level{options.level}.small.jsonl"))
    if official.keys() != small.keys():
        sys.exit("import_tasks: the two files hold different tasks")
    out = options.out or os.path.join(os.path.dirname(os.path.abspath(__file__)), f"level{options.level}.jsonl")
    text = "".join(json.dumps(task(official[k], small[k]), separators=(",", ":")) + "\n" for k in sorted(official))
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
