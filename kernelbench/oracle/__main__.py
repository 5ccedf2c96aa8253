#!/usr/bin/env python3
"""The oracle: PyTorch in a process of its own. It says what an operator's values are and how long PyTorch takes.

    python3 kernelbench/oracle [--frames]

It says hello, then answers one request after another until its input ends. A message is a line of JSON, or with
--frames a 4-byte little-endian length and JSON, which is how the tool speaks to its workers (src/base/frame.hpp).

    hello      {"protocol": 1, "role": "oracle", "facts": {...}}, or with "unavailable": why
    request    {"do": "values" | "times" | "tf32_distance", ...}
    answer     {"answer": {...}} or {"error": "one line"}

values.py and timing.py say what is in them. Exit code 3 where there is no PyTorch.
"""

import json
import os
import struct
import sys

PROTOCOL = 1


def send(message, out, frames):
    text = json.dumps(message).encode()
    out.write(struct.pack("<I", len(text)) + text if frames else text + b"\n")
    out.flush()


def requests(source, frames):
    while True:
        if not frames:
            line = source.readline()
            if not line:
                return
            if line.strip():
                yield line
            continue
        head = source.read(4)
        if len(head) < 4:
            return
        yield source.read(struct.unpack("<I", head)[0])


def facts():
    import torch

    found = {"python": sys.executable, "torch": torch.__version__, "compile": hasattr(torch, "compile"),
             "cuda": torch.version.cuda or "", "device": "", "cudnn": 0}
    if torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name(0)
        found["cudnn"] = torch.backends.cudnn.version() or 0
    return found


def answer(request):
    what = request.get("do") if isinstance(request, dict) else None
    if what == "values":
        import values

        return values.values(request)
    if what in ("times", "tf32_distance"):
        import timing

        return getattr(timing, what)(request)
    raise ValueError(f"no request '{what}'")


def serve(source, out, frames):
    hello = {"protocol": PROTOCOL, "role": "oracle"}
    try:
        hello["facts"] = facts()
    except Exception as error:  # a broken installation raises anything
        hello["unavailable"] = (f"{sys.executable} has no PyTorch that loads ({one_line(error)}); install it there, or "
                                "name another Python with --python or MTMC_PYTHON")
    send(hello, out, frames)
    if "unavailable" in hello:
        return 3
    for text in requests(source, frames):
        try:
            reply = {"answer": answer(json.loads(text))}
        except Exception as error:  # a request that cannot be met is an answer, and the next one is served
            reply = {"error": one_line(error)}
        send(reply, out, frames)
    return 0


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--frames"]):
        sys.exit("usage: oracle [--frames]")
    # What libraries print must not get between the messages.
    out, source = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    return serve(source, out, bool(arguments))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
