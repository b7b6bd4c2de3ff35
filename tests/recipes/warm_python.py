"""A Python that has imported ESPnet already: `python -m MODULE` without the wait.

    python warm_python.py serve SOCKET
    WARM_PYTHON=SOCKET python -S warm_python.py -m MODULE ARGUMENT...

The first imports ESPnet and what it needs, nothing of this plugin, says `ready`, and
runs each command in a process that is forked from it: with the caller's folder,
environment and streams. It ends with the process that started it. The second is the
caller, and ends as the command does.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

MODULES = ("espnet2.tasks.asr", "espnet2.tasks.ssl", "espnet2.bin.asr_inference")


def ask(path: str, words: list[str]) -> int:
    """Let the server run a command; return its exit status."""
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(content)
        status = server.recv(1)
    if not status:
        raise SystemExit(f"warm_python.py: {path} ended before {' '.join(words)}")
    return status[0]


def serve(path: str) -> dict:
    """Take commands while the parent lives; return one, in a process of its own."""
    parent = os.getppid()
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(16)
        server.settimeout(1)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
        while os.getppid() == parent:
            try:
                caller, _ = server.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                return _attend(caller)
            caller.close()
    sys.exit()


def _attend(caller: socket.socket) -> dict:
    """Return the request in a child with the caller's streams; wait for that child."""
    caller.setblocking(True)
    size, streams, *_ = socket.recv_fds(caller, 8, 3)
    with caller.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        caller.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return request
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    if ended not in select.select([caller, ended], [], [])[0]:
        os.kill(child, signal.SIGTERM)  # the caller was
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        caller.sendall(bytes([status if status >= 0 else 128 - status]))
    finally:
        os._exit(0)


def run(words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Do what `python -m` does."""
    import runpy

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = words[1:]
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        run(**serve(sys.argv[2]))
    elif sys.argv[1] == "-m":
        sys.exit(ask(os.environ["WARM_PYTHON"], sys.argv[1:]))
    else:
        sys.exit(f"warm_python.py {sys.argv[1]}: only -m MODULE is run here")
