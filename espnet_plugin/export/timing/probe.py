"""Time the recogniser of an export's folder, in the runtime that it is for.

    python probe.py WORK.json

The plugin never imports this file. It runs as a process of its own, without torch and
ESPnet, which imports the script of the folder and times it. Prints JSON: median seconds
by length, and milliseconds a chunk.
"""

import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np


def script_of(path):
    """Import a script by its path."""
    sys.path.insert(0, str(Path(path).parent))  # of what it imports itself
    spec = importlib.util.spec_from_file_location("runner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seconds_of(call, *given):
    """Return how long a call takes."""
    start = time.perf_counter()
    call(*given)
    return time.perf_counter() - start


def main():
    work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    given = np.load(work["input"])
    script = script_of(work["script"])
    folder = Path(work["script"]).parent
    recogniser = script.Recogniser(folder, work["model"], work["threads"])
    block = work["block"]
    chunks = []

    def stream(part):
        recogniser.reset()
        for start in range(0, len(part), block):
            samples = part[start : start + block]
            chunks.append(seconds_of(recogniser.accept, samples))
        recogniser.accept(part[:0], True)

    whole = recogniser.text if block is None else stream
    found = {}
    for seconds in work["lengths"]:
        part = given[: int(seconds * work["per_second"])]
        whole(part)  # the first one sets up what the others use again
        chunks.clear()
        runs = [seconds_of(whole, part) for _ in range(work["runs"])]
        found[str(seconds)] = statistics.median(runs)
    # Of the longest: most of its calls are of a whole chunk.
    chunk_ms = 1000 * statistics.median(chunks) if chunks else None
    print(json.dumps({"seconds": found, "chunk_ms": chunk_ms}))


if __name__ == "__main__":
    main()
