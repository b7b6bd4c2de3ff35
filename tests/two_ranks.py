"""Two ranks on CPUs: two processes that train together."""

import multiprocessing
import os
import sys

from espnet2.train.distributed_utils import free_port

from espnet_plugin.bin import encrl_train

# ESPnet takes many seconds to import, so both ranks are forked from one that has it.
RANKS = multiprocessing.get_context("forkserver")
RANKS.set_forkserver_preload(["espnet_plugin.tasks.encrl"])


def train(main, cmd, rank, port, log, by_options):
    """Train as one rank, with everything it says in a file.

    Ranks are told who they are by options, as ``espnet2.bin.launch`` does, or by the
    environment, as ``torchrun`` does.
    """
    os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    ranks = [
        *("--dist_backend", "gloo", "--dist_world_size", "2"),
        *("--dist_rank", f"{rank}", "--dist_master_addr", "localhost"),
        *("--dist_master_port", f"{port}"),
    ]
    if not by_options:
        ranks = ["--dist_backend", "gloo"]
        os.environ.update(
            RANK=f"{rank}", LOCAL_RANK=f"{rank}", WORLD_SIZE="2", MASTER_PORT=f"{port}"
        )
        os.environ["MASTER_ADDR"] = "localhost"
    sys.exit(main([*cmd, *ranks]))


def start(cmd, folder, main=encrl_train.main, by_options=True):
    """Start both; return their processes and their logs."""
    port = free_port()
    logs = [folder / f"log.{rank}" for rank in (0, 1)]
    started = [
        RANKS.Process(
            target=train, args=(main, cmd, rank, port, logs[rank], by_options)
        )
        for rank in (0, 1)
    ]
    for process in started:
        process.start()
    return started, logs


def exit_codes(started, logs, seconds=240):
    """Wait for the ranks to end and return their exit codes."""
    for process in started:
        process.join(seconds)
    codes = [process.exitcode for process in started]
    for process in started:
        process.kill()
    assert None not in codes, [log.read_text()[-1500:] for log in logs]
    return codes
