"""From a profiler's trace to the times of each call: what ran on the GPU between two markers.

A marker is a copy on the device of a size that nothing else has; it also sweeps the L2 cache. busy is the sum of the
kernels, copies and fills of a call, span is from the first one's start to the last one's end.
"""

ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")


def calls_in(events, marker_bytes):
    """Events of a Chrome trace (ts and dur in microseconds) -> [(busy_ns, span_ns), ...], one for each marker that has
    work behind it, in order."""
    ran = sorted((e for e in events if e.get("cat", "").lower() in ON_DEVICE and "dur" in e), key=lambda e: e["ts"])
    calls, work = [], None
    for event in ran + [None]:
        marker = event is None or is_marker(event, marker_bytes)
        if not marker:
            if work is not None:
                work.append((event["ts"] * 1e3, event["dur"] * 1e3))
            continue
        if work:
            start, end = min(s for s, _ in work), max(s + d for s, d in work)
            calls.append((sum(d for _, d in work), end - start))
        work = []
    return calls


def is_marker(event, marker_bytes):
    return event["cat"].lower() == "gpu_memcpy" and event.get("args", {}).get("bytes") == marker_bytes
