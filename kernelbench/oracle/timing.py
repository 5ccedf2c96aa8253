"""How long PyTorch takes for an operator: eager and compiled, interleaved, by one protocol.

Each call finds the L2 cache swept. Warm-up goes on until samples are stable, sampling until the interval of the median
is within 1 % or the seconds are over. On a GPU the times are those of the profiler's records of the device (span: first
start to last end; busy: their sum), or of events on the stream where another profiler holds CUPTI; without a GPU they
are the host's clock. The protocol that was used is in the answer. Precision is what the request says, TF32 off unless
asked for, and is in the answer too.
"""

import contextlib
import json
import os
import tempfile
import time

import torch
from graph import Graph, make_inputs
from spans import calls_in
from stability import interval_of_median, is_known, is_stable, median, ratio_interval
from task_file import Task

MARKER_BYTES = (192 << 20) + 4096 * 3  # read and written: more than any L2 (B200: 126 MiB), and a size of its own


class HostClock:
    """CPU PyTorch: wall time. The cache is swept by reading through a buffer."""

    protocol = "wall/cpu/v1"

    def __init__(self):
        self.sweep = torch.zeros(8 << 20)

    def samples(self, calls):
        times = []
        for call in calls:
            self.sweep.add_(1)
            start = time.perf_counter_ns()
            call()
            times.append({"wall_ns": float(time.perf_counter_ns() - start)})
        return times


class Events:
    """CUDA events around each call: the span with the first launch's latency in it."""

    protocol = "span/stream/events/v1"

    def __init__(self, device):
        self.device = device
        size = MARKER_BYTES // 4
        self.source, self.sink = torch.zeros(size, device=device), torch.zeros(size, device=device)

    def marker(self):
        self.sink.copy_(self.source)

    def samples(self, calls):
        torch.cuda.synchronize()
        pairs, walls = [], []
        for call in calls:
            self.marker()
            torch.cuda.synchronize()
            before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start = time.perf_counter_ns()
            before.record()
            call()
            after.record()
            torch.cuda.synchronize()
            walls.append(float(time.perf_counter_ns() - start))
            pairs.append((before, after))
        return [{"span_ns": before.elapsed_time(after) * 1e6, "wall_ns": wall} for (before, after), wall in zip(pairs, walls)]


class Records(Events):
    """The profiler's records (CUPTI). Raises RuntimeError where they do not cover every call."""

    protocol = "span/stream/cupti/v1"

    def samples(self, calls):
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as watched:
            timed = super().samples(calls)
        handle, path = tempfile.mkstemp(suffix=".json")
        os.close(handle)
        try:
            watched.export_chrome_trace(path)
            with open(path, encoding="utf-8", errors="replace") as file:
                found = calls_in(json.load(file)["traceEvents"], MARKER_BYTES)
        finally:
            os.unlink(path)
        if len(found) != len(calls):
            raise RuntimeError(f"the profiler saw {len(found)} of {len(calls)} calls")
        return [{"busy_ns": busy, "span_ns": span, "wall_ns": t["wall_ns"]} for (busy, span), t in zip(found, timed)]


@contextlib.contextmanager
def precision(wanted):
    """TF32 for products and for cuDNN, each off unless it is asked for."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = bool(wanted.get("matmul_tf32")), bool(wanted.get("cudnn_tf32"))
    try:
        yield {"matmul_tf32": matmul.allow_tf32, "cudnn_tf32": cudnn.allow_tf32}
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def compiled(module):
    if not hasattr(torch, "compile"):
        raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
    torch._dynamo.reset()
    return torch.compile(module, dynamic=False)


def prepare(module, modes, inputs):
    """The callables that ran once, by mode, and why the others did not."""
    calls, failed = {}, {}
    for mode in modes:
        try:
            function = {"eager": lambda m: m, "compile": compiled}[mode](module)
            with torch.no_grad():
                function(*inputs)
            calls[mode] = lambda function=function: function(*inputs)
        except Exception as error:  # whatever a backend raises: this mode has no time, the others go on
            failed[mode] = one_line(error)
    return calls, failed


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def take(clock, calls, seconds):
    """Samples of all modes in turn, and whether they settled."""
    taken, warm = {mode: [] for mode in calls}, {mode: [] for mode in calls}
    statistic = "span_ns" if isinstance(clock, Events) else "wall_ns"
    until = time.monotonic() + seconds
    with torch.no_grad():
        while time.monotonic() < until - seconds / 2 and not all(is_stable(w) for w in warm.values()):
            for mode, sample in zip(calls, clock.samples(list(calls.values()))):
                warm[mode].append(sample[statistic])
        while True:
            rounds = 5
            for k, sample in enumerate(clock.samples(list(calls.values()) * rounds)):
                taken[list(calls)[k % len(calls)]].append(sample)
            settled = all(is_known([s[statistic] for s in samples]) for samples in taken.values())
            if settled or time.monotonic() > until:
                return taken, settled, statistic


def clock_for(device):
    """The best clock that works here."""
    if device == "cpu":
        return HostClock(), ""
    try:
        clock = Records(device)
        with torch.no_grad():
            clock.samples([lambda: clock.source.mul_(1)])
        return clock, ""
    except Exception as error:
        return Events(device), f"no profiler records: {one_line(error)}"


def times(request):
    """{operator, seed, modes?, precision?, seconds?, task_file?, source_sha256?, device?}

    -> {times: {mode: {protocol, statistic, time_ns, low_ns, high_ns, busy_ns?, span_ns?, wall_ns, samples_ns}},
        compile_over_eager?: [ratio, low, high], failed: {mode: why}, precision, settled, note}"""
    device = request.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    form = request["operator"]
    with precision(request.get("precision", {})) as regime, torch.no_grad():
        inputs = make_inputs(form, request["seed"], device)
        if request.get("task_file"):
            module = Task(request["task_file"], form, inputs, False, device, request.get("source_sha256"))
        else:
            module = Graph(form)
        calls, failed = prepare(module, request.get("modes", ["eager", "compile"]), list(inputs.values()))
        answer = {"times": {}, "failed": failed, "precision": regime, "settled": False, "note": ""}
        if not calls:
            return answer
        clock, answer["note"] = clock_for(device)
        taken, answer["settled"], statistic = take(clock, calls, float(request.get("seconds", 3)))
    for mode, samples in taken.items():
        chosen = [s[statistic] for s in samples]
        low, high = interval_of_median(chosen)
        answer["times"][mode] = {
            "protocol": clock.protocol, "statistic": statistic, "time_ns": median(chosen), "low_ns": low,
            "high_ns": high, "samples_ns": chosen,
            **{k: median([s[k] for s in samples]) for k in ("busy_ns", "span_ns", "wall_ns") if k in samples[0]}}
    if len(taken) == 2:
        answer["compile_over_eager"] = ratio_interval(*([s[statistic] for s in taken[m]] for m in ("compile", "eager")))
    return answer


def tf32_distance(request):
    """{operator, seed, atol, rtol, device?} -> how far TF32 is from exact f32 on this device, by allclose's measure:
    {elements, outside, largest, fraction}. The device's own exact result is the yardstick."""
    device = request.get("device") or "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("TF32 needs a GPU that PyTorch can use")
    form = request["operator"]
    made = {}
    for allowed in (False, True):
        with precision({"matmul_tf32": allowed, "cudnn_tf32": allowed}), torch.no_grad():
            inputs = make_inputs(form, request["seed"], device)
            made[allowed] = Graph(form)(*inputs.values())
    outside, elements, largest = 0, 0, 0.0
    for exact, other in zip(made[False], made[True]):
        over = (exact - other).abs() / (request["atol"] + request["rtol"] * exact.abs())
        outside += int((over > 1).sum())
        elements += over.numel()
        largest = max(largest, float(over.max()))
    return {"elements": elements, "outside": outside, "fraction": outside / elements, "largest": largest}
