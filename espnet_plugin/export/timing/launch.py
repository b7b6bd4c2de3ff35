"""Start a program, and see when its first text comes and how much memory it takes.

    python launch.py PROGRAM [ARGUMENT...]

Prints JSON: seconds from the start to the first line with a text (what stands behind a
tab, if there is one; null if there is none), highest resident memory in bytes, and the
exit status. In a process of its own, because the memory of whoever starts a program
counts as the program's until that has begun.
"""

import json
import os
import subprocess
import sys
import time


def main():
    first = None
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
    for line in process.stdout:
        if first is None and line.rpartition(b"\t")[2].strip():
            first = time.perf_counter() - start
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    print(
        json.dumps(
            {
                "first_word_s": first,
                "peak_bytes": usage.ru_maxrss * unit,
                "status": os.waitstatus_to_exitcode(status),
            }
        )
    )


if __name__ == "__main__":
    main()
