#!/usr/bin/env python3
"""The oracle's own parts. What needs PyTorch is skipped by name where there is none."""

import json
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernelbench" / "oracle"))

import extents  # noqa: E402
import rng  # noqa: E402
import spans  # noqa: E402
import stability  # noqa: E402

try:
    import torch
except ImportError:
    torch = None
needs_torch = unittest.skipIf(torch is None, f"{sys.executable} has no PyTorch")

GOLDEN = json.loads((pathlib.Path(__file__).parent / "goldens" / "draws.json").read_text())


class Draws(unittest.TestCase):
    def test_single_elements_are_the_tools(self):
        for row in GOLDEN:
            got = [rng.round_number(rng.draw(row["name"], row["distribution"], row["seed"], i), row["dtype"])
                   for i in row["indices"]]
            self.assertEqual(got, row["values"], row)

    @needs_torch
    def test_tensors_are_the_tools(self):
        for row in GOLDEN:
            filled = rng.fill(row["name"], row["dtype"], row["distribution"], row["seed"], [2, 4], "cpu")
            self.assertEqual(filled.reshape(-1).double().tolist(), row["values"][:8], row)

    @needs_torch
    def test_far_elements_are_the_tools(self):
        for row in GOLDEN:
            index = torch.tensor(row["indices"], dtype=torch.int64)
            drawn = rng.draw(row["name"], row["distribution"], row["seed"], index)
            got = [rng.round_number(v, row["dtype"]) for v in drawn.tolist()]
            self.assertEqual(got, row["values"], row)

    @needs_torch
    def test_narrow_types_are_rounded_once(self):
        # Just above the middle of two f16 numbers, by less than f32 can tell: through f32 this rounds down to even.
        value = torch.tensor([1 + 2**-11 + 2**-40, -(1 + 2**-11 + 2**-40), 1 + 2**-11], dtype=torch.float64)
        self.assertEqual(rng.odd_float32(value).to(torch.float16).double().tolist(), [1 + 2**-10, -1 - 2**-10, 1.0])


class Extents(unittest.TestCase):
    def test_values(self):
        dims = {"M": 10, "N": 4}
        for text, value in [(7, 7), ("M", 10), ("M - 1", 9), ("2*M + N", 24), ("M // 3", 3), ("M / 3", 3), ("-M % 4", 2),
                            ("ceil_div(M, N)", 3), ("align_up(M, N)", 12), ("min(M, N)", 4)]:
            self.assertEqual(extents.whole(text, dims), value, text)

    def test_nothing_else_is_evaluated(self):
        for text in ["K", "1.5", "__import__('os')", "M.real", "M if N else 1", "[M]", "M / 0", "", "min(M)", "M(1)", True, None]:
            with self.assertRaises(ValueError, msg=text):
                extents.whole(text, {"M": 10, "N": 4})


class Spans(unittest.TestCase):
    MARK = 4096

    def event(self, category, ts, dur, size=0):
        return {"cat": category, "ts": ts, "dur": dur, "args": {"bytes": size}}

    def test_calls_lie_between_markers(self):
        mark = lambda ts: self.event("gpu_memcpy", ts, 1, self.MARK)
        events = [self.event("cpu_op", 0, 100), self.event("kernel", 1, 5), mark(10), self.event("kernel", 20, 2),
                  self.event("Kernel", 25, 3), mark(40), self.event("gpu_memcpy", 41, 2, 64), mark(50), mark(60),
                  self.event("gpu_memset", 70, 1.5), {"cat": "kernel", "ts": 3}]
        self.assertEqual(spans.calls_in(events, self.MARK), [(5000, 8000), (2000, 2000), (1500, 1500)])
        self.assertEqual(spans.calls_in([], self.MARK), [])

    def test_kernels_of_two_streams_overlap(self):
        events = [self.event("gpu_memcpy", 0, 1, self.MARK), self.event("kernel", 10, 10), self.event("kernel", 12, 4)]
        self.assertEqual(spans.calls_in(events, self.MARK), [(14000, 10000)])


class Stability(unittest.TestCase):
    def test_median_and_interval(self):
        self.assertEqual(stability.median([3, 1, 2]), 2)
        self.assertEqual(stability.median([4, 1, 2, 3]), 2.5)
        low, high = stability.interval_of_median(list(range(100)))
        self.assertTrue(35 <= low <= 42 and 57 <= high <= 65, (low, high))
        self.assertEqual(stability.interval_of_median([5, 9]), (5, 9))

    def test_warm_up_ends_where_samples_settle(self):
        falling = [100 * 0.8**k for k in range(20)]
        self.assertFalse(stability.is_stable(falling))
        self.assertTrue(stability.is_stable(falling + [1.0] * 10))

    def test_wide_samples_are_not_known(self):
        self.assertFalse(stability.is_known([1, 2] * 20))
        self.assertTrue(stability.is_known([1, 1.001] * 20))
        self.assertFalse(stability.is_known([1] * 5))

    def test_a_drift_cancels_in_the_ratio_of_interleaved_samples(self):
        drift = [1 + 0.05 * k for k in range(40)]
        ratio, low, high = stability.ratio_interval([2 * d for d in drift], drift)
        self.assertAlmostEqual(ratio, 2)
        self.assertTrue(1.5 < low <= 2 <= high < 2.7)


class Serving(unittest.TestCase):
    def ask(self, *lines):
        process = subprocess.run([sys.executable, "-B", ROOT / "kernelbench" / "oracle"], input="".join(l + "\n" for l in lines),
                                 capture_output=True, text=True, timeout=300)
        return process.returncode, [json.loads(line) for line in process.stdout.splitlines()]

    @unittest.skipIf(torch is not None, "PyTorch is here")
    def test_without_pytorch_it_says_so_and_ends_with_3(self):
        code, said = self.ask('{"do": "values"}')
        self.assertEqual(code, 3)
        self.assertEqual(len(said), 1)
        self.assertIn("has no PyTorch", said[0]["unavailable"])

    @needs_torch
    def test_what_it_cannot_do_is_one_line_and_the_next_request_is_served(self):
        form = {"dims": [["M", 3]], "inputs": [{"name": "x", "dtype": "f32", "shape": ["M"], "distribution": {"kind": "constant", "a": 2}}],
                "nodes": [{"op": "mul", "operands": ["x", 3], "attributes": {}, "results": ["y"]}], "outputs": ["y"]}
        good = {"do": "values", "operator": form, "seed": 1, "outputs": [{"name": "y", "indices": [2], "blocks": [[0, 3]]}]}
        code, said = self.ask("{", '{"do": "dance"}', json.dumps(good))
        self.assertEqual(code, 0)
        self.assertEqual(said[0]["facts"]["torch"], torch.__version__)
        self.assertIn("JSONDecodeError", said[1]["error"])
        self.assertIn("dance", said[2]["error"])
        self.assertEqual(said[3]["answer"]["outputs"], [{"name": "y", "shape": [3], "values": [6.0], "sums": [[18.0, 18.0]]}])

    @needs_torch
    def test_times_name_their_protocol_and_precision(self):
        form = {"dims": [], "inputs": [{"name": "x", "dtype": "f32", "shape": [64, 64], "distribution": {"kind": "normal", "a": 0, "b": 1}}],
                "nodes": [{"op": "matmul", "operands": ["x", "x"], "attributes": {}, "results": ["y"]}], "outputs": ["y"]}
        code, said = self.ask(json.dumps({"do": "times", "operator": form, "seed": 1, "modes": ["eager"], "seconds": 0.2, "device": "cpu"}))
        self.assertEqual(code, 0)
        eager = said[1]["answer"]["times"]["eager"]
        self.assertEqual(eager["protocol"], "wall/cpu/v1")
        self.assertTrue(0 < eager["low_ns"] <= eager["time_ns"] <= eager["high_ns"])
        self.assertEqual(said[1]["answer"]["precision"], {"matmul_tf32": False, "cudnn_tf32": False})


@needs_torch
class TaskFile(unittest.TestCase):
    def test_the_file_is_held_against_the_form(self):
        import hashlib
        import tempfile

        import values
        text = ("import torch\nclass Model(torch.nn.Module):\n  def __init__(self, n):\n    super().__init__()\n"
                "    self.fc = torch.nn.Linear(n, 2)\n  def forward(self, x): return self.fc(x)\n"
                "def get_inputs(): return [torch.rand(1, 3)]\ndef get_init_inputs(): return [3]\n")
        constant = lambda name, shape, a: {"name": name, "dtype": "f32", "shape": shape, "role": "weight", "distribution": {"kind": "constant", "a": a}}
        form = {"dims": [], "nodes": [], "outputs": ["y"], "inputs": [
            {**constant("x", [5, 3], 1), "role": "input"}, constant("fc_weight", [2, 3], 2), constant("fc_bias", [2], 0.5)]}
        request = {"operator": form, "seed": 1, "outputs": [{"name": "y", "indices": [0, 9]}]}
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(text)
            file.flush()
            request["task_file"], request["source_sha256"] = file.name, hashlib.sha256(text.encode()).hexdigest()
            self.assertEqual(values.values(request)["outputs"][0]["values"], [6.5, 6.5])
            with self.assertRaisesRegex(ValueError, "another version"):
                values.values({**request, "source_sha256": "0" * 64})
            form["inputs"][1]["shape"] = [2, 4]
            with self.assertRaisesRegex(ValueError, "fc.weight"):
                values.values(request)


if __name__ == "__main__":
    unittest.main(verbosity=2)
