"""Form batches of utterances whose attention fits into memory."""

from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.data.frames import encoder_frames, feature_frames, input_layer_of
from espnet_plugin.errors import UserError
from espnet_plugin.names import DUAL_MODE

__all__ = [
    "attention_bytes",
    "available_memory",
    "batches_within",
    "check_fits",
    "frames_of",
]

# Encoders in which every frame attends to every other frame.
_QUADRATIC = ("conformer", "transformer", "branchformer", "e_branchformer", DUAL_MODE)
# Number of matrices (heads x frames x frames, float32) in a layer at its peak. ESPnet's
# attention also keeps one for every layer (``self.attn``). Measured with 12 layers on
# AN4: 0.69 and 2.71 GB for 60 and 120 s; this formula gives 0.68 and 2.73 GB.
_AT_ONCE = 8
# Largest memory of a batch; larger batches are not faster.
_BATCH_BYTES = 10**9
_HOP = 128  # ESPnet's default


def frames_of(
    config: Mapping[str, Any], length: int, are_samples: bool
) -> Optional[int]:
    """Return the number of frames over which an encoder attends.

    Args:
        config: A configuration of ESPnet's ASR task.
        length: Number of samples or feature frames of an utterance.
        are_samples: Whether ``length`` is in samples.

    Returns:
        The number of frames; None if memory does not grow with its square.
    """
    if config.get("encoder", "rnn") not in _QUADRATIC:
        return None
    if are_samples:
        hop = (config.get("frontend_conf") or {}).get("hop_length") or _HOP
        length = feature_frames(length, int(hop))
    return encoder_frames(length, input_layer_of(config)[0])


def attention_bytes(config: Mapping[str, Any], frames: Optional[int]) -> int:
    """Estimate the memory of attention over one utterance, in bytes.

    Args:
        config: A configuration of ESPnet's ASR task.
        frames: Number of frames; see :func:`frames_of`.
    """
    if frames is None:
        return 0
    conf = config.get("encoder_conf") or {}
    heads, layers = conf.get("attention_heads", 4), conf.get("num_blocks", 6)
    if isinstance(heads, list):  # one number per layer, in a model that was cut out
        heads = max(heads)
    return 4 * heads * frames**2 * (_AT_ONCE + layers - 1)


def available_memory() -> Optional[int]:
    """Return the available memory without swapping in bytes; None if not known.

    Source: ``MemAvailable`` of Linux's ``/proc/meminfo``, and the limit of the control
    group (version 2) that the process is in.
    """
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            used = int((group / "memory.current").read_text())
            # Cached files are counted as used, but can be released.
            for line in (group / "memory.stat").read_text().splitlines():
                if line.startswith("inactive_file "):
                    used -= int(line.split()[1])
            found.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass  # another system, or no such limit
    return min(found, default=None)


def check_fits(name: str, utt: str, needed: int, available: Optional[int]) -> None:
    """Check that the attention over an utterance fits into memory.

    Args:
        name: Name of the set.
        utt: Id of its longest utterance.
        needed: Required memory in bytes.
        available: Available memory in bytes; None if not known.

    Raises:
        UserError: If it does not fit.
    """
    if available is None or needed <= available:
        return
    raise UserError(
        f"{name}: utterance {utt} is too long to decode in one piece: attention over "
        f"it needs about {needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free. "
        "Cut it at pauses (a segments file), or recognise the recording with python -m "
        "espnet_plugin.bin.recognise, which cuts long recordings itself"
    )


def batches_within(needed: Mapping[str, int], batch_size: int) -> list[list[str]]:
    """Divide utterances into batches, which are smaller for long utterances.

    Args:
        needed: Required memory of each utterance in bytes, the largest first.
        batch_size: Largest number of utterances in a batch.

        Returns:
            Lists of ids, in the same order.
    """
    batches: list[list[str]] = []
    for utt in needed:
        # All utterances of a batch are padded to the length of its first.
        full = not batches or len(batches[-1]) >= batch_size
        if full or needed[batches[-1][0]] * (len(batches[-1]) + 1) > _BATCH_BYTES:
            batches.append([])
        batches[-1].append(utt)
    return batches
