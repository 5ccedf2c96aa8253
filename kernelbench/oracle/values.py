"""Values of an operator in float64: what the tool's own reference is held against."""

import torch
from graph import Graph, make_inputs
from task_file import Task


def values(request):
    """{operator, seed, outputs: [{name, indices, blocks: [[first, count], ...]}], task_file?, source_sha256?}

    -> {outputs: [{name, shape, values, sums: [[sum, sum of magnitudes], ...]}]}. Indices count row by row. With a
    task file, the suite's own module computes; the operator form still says which inputs it gets."""
    form, seed = request["operator"], request["seed"]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # integers and literals become it too
    try:
        with torch.no_grad():
            inputs = make_inputs(form, seed, "cpu", double=True)
            if request.get("task_file"):
                made = Task(request["task_file"], form, inputs, True, "cpu", request.get("source_sha256"))(*inputs.values())
            else:
                made = Graph(form, double=True)(*inputs.values())
            by_name = dict(zip(form["outputs"], made))
            return {"outputs": [looked_at(by_name[o["name"]], o) for o in request["outputs"]]}
    finally:
        torch.set_default_dtype(default)


def looked_at(tensor, wanted):
    flat = tensor.reshape(-1).double()
    picked = flat[torch.tensor(wanted.get("indices", []), dtype=torch.int64)]
    sums = [[flat[first:first + count].sum().item(), flat[first:first + count].abs().sum().item()]
            for first, count in wanted.get("blocks", [])]
    return {"name": wanted["name"], "shape": list(tensor.shape), "values": [number(v) for v in picked.tolist()],
            "sums": [[number(a), number(b)] for a, b in sums]}


def number(v):
    return v if v - v == 0 else "nan" if v != v else "inf" if v > 0 else "-inf"
