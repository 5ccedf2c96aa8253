"""An oracle without PyTorch for the tests of those who ask one: it knows y = 2 x, and inputs by the real oracle's RNG.

The file `mood` beside it says how it behaves: right (also where there is none), off (the middle element, by 1e-9), dies, hangs, absent, cpu (no GPU).
"""

import json
import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.environ["PYTHONPATH"])
import rng  # noqa: E402


def send(message):
    text = json.dumps(message).encode()
    sys.stdout.buffer.write(struct.pack("<I", len(text)) + text)
    sys.stdout.buffer.flush()


def values(request, mood):
    form = request["operator"]
    x = form["inputs"][0]
    dims = dict(map(tuple, form["dims"]))
    count = 1
    for e in x["shape"]:
        count *= dims.get(e, e)
    made = [2 * rng.round_number(rng.draw(x["name"], x["distribution"], request["seed"], i), x["dtype"]) for i in range(count)]
    if mood == "off":
        made[count // 2] += 1e-9
    wanted = request["outputs"][0]
    sums = [[sum(made[a:a + n]), sum(map(abs, made[a:a + n]))] for a, n in wanted["blocks"]]
    return {"outputs": [{"name": wanted["name"], "values": [made[i] for i in wanted["indices"]], "sums": sums}]}


def times(request, mood):
    """compile takes half of eager, where the operator form is a product; what is no product does not fit."""
    if request["operator"]["nodes"][0]["op"] == "softmax":
        raise MemoryError("out of memory")
    made = {"eager": 2000.0, "compile": 1000.0}
    return {"times": {mode: {"protocol": "span/fake/v1", "time_ns": made[mode], "low_ns": 1.0, "high_ns": 2.0, "busy_ns": made[mode] / 2,
                             "wall_ns": made[mode] * 2, "samples_ns": [made[mode]] * 3} for mode in request["modes"]},
            "failed": {}, "precision": request["precision"], "settled": True, "note": "",
            **({"compile_over_eager": [0.5, 0.4, 0.6]} if len(request["modes"]) == 2 else {})}


def tf32_distance(request, mood):
    return {"elements": 100, "outside": 25, "fraction": 0.25, "largest": 3.0}


def main():
    path = os.path.join(HERE, "mood")
    mood = open(path).read().strip() if os.path.exists(path) else "right"
    hello = {"protocol": 1, "role": "oracle"}
    if mood == "absent":
        send({**hello, "unavailable": "this Python has no PyTorch"})
        return 3
    send({**hello, "facts": {"python": sys.executable, "torch": "none", "cuda": "13.0", "cudnn": 9, "device": "" if mood == "cpu" else "Fake GPU"}})
    while True:
        head = sys.stdin.buffer.read(4)
        if len(head) < 4:
            return 0
        request = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
        if mood == "dies":
            os._exit(7)
        if mood == "hangs":
            time.sleep(600)
        try:
            send({"answer": {"values": values, "times": times, "tf32_distance": tf32_distance}[request["do"]](request, mood)})
        except Exception as error:
            send({"error": f"{type(error).__name__}: {error}"})


sys.exit(main())
