"""A task of the suite as its own file runs it: Model, get_inputs() and get_init_inputs().

The file is Python and is executed: give it files that you trust. Inputs and parameters get the values that the
operator form's inputs have: the model's arguments in their order, its parameters and buffers by name with '_' for every
'.'. So the file is held against the form, and not against itself.
"""

import hashlib
import inspect
import re

import torch


def load(path, sha256=None):
    """The file's names. Raises ValueError where it is not the file that the form was made from."""
    with open(path, "rb") as file:
        text = file.read()
    if sha256 and hashlib.sha256(text).hexdigest() != sha256:
        raise ValueError(f"{path} is another version than the task was made from")
    names = {"__name__": "task"}
    exec(compile(text, path, "exec"), names)
    return names


class Task(torch.nn.Module):
    """forward(*inputs) in the order of the form's inputs, as graph.Graph takes them."""

    def __init__(self, path, form, inputs, double, device, sha256=None):
        super().__init__()
        names = load(path, sha256)
        self.model = names["Model"](*names["get_init_inputs"]())
        self.order = [v["name"] for v in form["inputs"]]
        self.arguments = [v["name"] for v in form["inputs"] if v.get("role", "input") == "input"]
        self.constants = []
        # Arguments that are numbers; get_inputs() is asked only for them, as its tensors may take gigabytes.
        if len(inspect.signature(self.model.forward).parameters) > len(self.arguments):
            self.constants = [a for a in names["get_inputs"]() if not isinstance(a, torch.Tensor)]
        if double:
            self.model.double()
        self.model.to(device)
        with torch.no_grad():
            for name, tensor in [*self.model.named_parameters(), *self.model.named_buffers()]:
                drawn = inputs.get(re.sub(r"[^A-Za-z0-9]", "_", name))
                if drawn is not None:
                    if drawn.shape != tensor.shape:
                        raise ValueError(f"{name} has shape {list(tensor.shape)}, the form says {list(drawn.shape)}")
                    tensor.copy_(drawn)

    def forward(self, *inputs):
        by_name = dict(zip(self.order, inputs))
        given = [by_name[name] for name in self.arguments]
        with torch.no_grad():
            made = self.model(*given, *self.constants)
        return made if isinstance(made, tuple) else (made,)
