"""Cut the least important channels out of the layers of a Conformer.

The result is a smaller dense model, not a sparse one. The functions work on the tensors
of ESPnet's Conformer by their names and do not import ESPnet.
"""

import math
import re
from typing import Any, Mapping, Optional

import torch

from espnet_plugin.errors import UserError

__all__ = [
    "narrow_conformer",
    "narrow_feed_forward",
    "refit_positions",
    "relative_positions",
    "why_not_narrowed",
]

State = dict[str, torch.Tensor]

_BLOCK = re.compile(r"^encoder\.encoders\.(\d+)\.")
_FEED_FORWARD = ("feed_forward", "feed_forward_macaron")
# Layers that read the residual stream in a block, by the norm before them.
_READERS = {
    "norm_ff": ("feed_forward.w_1",),
    "norm_ff_macaron": ("feed_forward_macaron.w_1",),
    "norm_mha": ("self_attn.linear_q", "self_attn.linear_k", "self_attn.linear_v"),
    "norm_conv": ("conv_module.pointwise_conv1",),
}
_WRITERS = (
    "feed_forward.w_2",
    "feed_forward_macaron.w_2",
    "self_attn.linear_out",
    "conv_module.pointwise_conv2",
)


def narrow_feed_forward(state: Mapping[str, torch.Tensor], units: int) -> State:
    """Keep the most important units of every feed-forward module.

    The importance of a unit is the norm of its input weights times that of its output
    weights.

    Args:
        state: Tensors of a Conformer, Transformer or (E-)Branchformer of ESPnet.
        units: Number of units that are kept in each module.

    Returns:
        All tensors; those that changed are new.

    Raises:
        UserError: If a module has fewer units, or there is no such module.
    """
    out = dict(state)
    for block in _blocks(state):
        for module in _FEED_FORWARD:
            reads, writes = f"{block}{module}.w_1", f"{block}{module}.w_2"
            if f"{reads}.weight" not in state:
                continue
            importance = _norm(state[f"{reads}.weight"], 0) * _norm(
                state[f"{writes}.weight"], 1
            )
            kept = _largest(importance, units, f"{block}{module}")
            _take(out, reads, rows=kept)
            _take(out, writes, columns=kept)
    if all(out[name] is state[name] for name in state):
        raise UserError(
            "the model has no feed-forward modules whose units can be cut: use an "
            "ESPnet conformer, transformer or (e_)branchformer"
        )
    return out


def narrow_conformer(
    state: Mapping[str, torch.Tensor], heads: int, width: int, units: int
) -> State:
    """Reduce the width of a Conformer and of its feed-forward modules.

    The same channels of the residual stream are kept in all blocks. Inside attention
    and convolution each block keeps its own most important channels.

    Three things depend on the width and are corrected: the scale of the input (square
    root of the width), the scale of the attention scores (square root of a head's
    width), and the position codes, whose projection is fitted to the old one.

    Args:
        state: Tensors of a Conformer with relative positions (``rel_pos_type:
            latest``) and convolutional sub-sampling.
        heads: Number of attention heads, which does not change.
        width: New ``output_size``; an even number and a multiple of the heads.
        units: New ``linear_units``.

    Returns:
        New tensors under the same names.

    Raises:
        UserError: If the width does not fit, or the model is not such a Conformer.
    """
    old = _check_conformer(state, heads, width)
    out = narrow_feed_forward(state, units)
    stream = _largest(_stream_importance(state), width, "the encoder")
    for block in _blocks(state):
        _narrow_attention(out, block, heads, width, old)
        if f"{block}conv_module.pointwise_conv1.weight" in out:
            _narrow_convolution(out, block, width)
        for norm in [n for n in out if n.startswith(f"{block}norm_")]:
            out[norm] = out[norm][stream]
        for readers in _READERS.values():
            for name in readers:
                _take(out, block + name, columns=stream)
        for name in _WRITERS:
            _take(out, block + name, rows=stream)
    _take(out, "encoder.after_norm", rows=stream)
    _take(out, "ctc.ctc_lo", columns=stream)
    _narrow_subsampling(out, width, stream, math.sqrt(old / width))
    return out


def why_not_narrowed(encoder: Optional[str], conf: Mapping[str, Any]) -> Optional[str]:
    """Return why :func:`narrow_conformer` cannot cut an encoder; None if it can.

    Args:
        encoder: Name of the encoder in ESPnet.
        conf: Options of the encoder, ``encoder_conf``.
    """
    if encoder != "conformer":
        return f"encoder {encoder} is not a conformer"
    wanted = {
        "rel_pos_type": ("latest", "legacy"),
        "pos_enc_layer_type": ("rel_pos", "rel_pos"),
        "selfattention_layer_type": ("rel_selfattn", "rel_selfattn"),
        "normalize_before": (True, True),
        "concat_after": (False, False),
        "positionwise_layer_type": ("linear", "linear"),
        "qk_norm": (False, False),
    }
    for name, (value, default) in wanted.items():
        there = conf.get(name, default)
        if there != value:
            return f"its {name} is {there}, not {value}"
    layer = conf.get("input_layer", "conv2d")
    if not str(layer).startswith("conv2d"):
        return f"its input_layer is {layer}, not conv2d"
    return None


def _check_conformer(state: Mapping, heads: int, width: int) -> int:
    pos = [n for n in state if n.endswith("self_attn.linear_pos.weight")]
    if not pos or "encoder.embed.conv.0.weight" not in state:
        raise UserError(
            "the width can only be cut in conformers with relative positions and an "
            "input_layer conv2d*: cut the feed-forward units instead (options: "
            "{model_width: false})"
        )
    if any(n.startswith("decoder.") for n in state):
        raise UserError(
            "the model still has a decoder: remove it before the width is cut"
        )
    old = state[pos[0]].shape[0]
    if width % heads or width % 2 or not 0 < width <= old:
        raise UserError(
            f"width {width}: must be even, a multiple of the {heads} attention heads "
            f"and at most {old}"
        )
    return old


def _stream_importance(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return how strongly residual channels are read; all readers have equal weight."""
    total = 0.0
    for block in _blocks(state):
        for norm, readers in _READERS.items():
            gain = state.get(f"{block}{norm}.weight")
            for reader in readers if gain is not None else ():
                weight = state.get(f"{block}{reader}.weight")
                if weight is not None:
                    read = gain.abs() * _norm(weight, 1)
                    total = total + read / read.mean()
    read = state["encoder.after_norm.weight"].abs() * _norm(
        state["ctc.ctc_lo.weight"], 1
    )
    return total + read / read.mean()


def _narrow_attention(out: State, block: str, heads: int, width: int, old: int) -> None:
    name = f"{block}self_attn."
    before, after = old // heads, width // heads
    matching = _norm(out[f"{name}linear_q.weight"], 0) * _norm(
        out[f"{name}linear_k.weight"], 0
    )
    value = _norm(out[f"{name}linear_v.weight"], 0) * _norm(
        out[f"{name}linear_out.weight"], 1
    )
    # Queries, keys and positions are multiplied channel by channel within a head.
    meeting = _largest_per_head(matching, heads, after, name)
    carried = _largest_per_head(value, heads, after, name)
    # Scores are divided by the square root of a head's width, which is now smaller.
    scale = math.sqrt(after / before)
    for part in ("linear_q", "linear_k"):
        _take(out, name + part, rows=meeting)
    for tensor in ("linear_q.weight", "linear_q.bias"):
        out[name + tensor] = out[name + tensor] * scale
    for bias in ("pos_bias_u", "pos_bias_v"):
        out[name + bias] = out[name + bias].flatten()[meeting].view(heads, after)
        out[name + bias] = out[name + bias] * scale
    rows = out[f"{name}linear_pos.weight"][meeting]
    out[f"{name}linear_pos.weight"] = refit_positions(rows, width)
    _take(out, f"{name}linear_v", rows=carried)
    _take(out, f"{name}linear_out", columns=carried)


def _largest_per_head(
    importance: torch.Tensor, heads: int, count: int, where: str
) -> torch.Tensor:
    """Return the most important channels, the same number of each head."""
    rows = importance.view(heads, -1)
    offset = rows.shape[1]
    return torch.cat(
        [_largest(row, count, where) + head * offset for head, row in enumerate(rows)]
    )


def refit_positions(
    weight: torch.Tensor, width: int, frames: int = 200, ridge: float = 1e-3
) -> torch.Tensor:
    """Fit the projection of narrower position codes to that of the old ones.

    This is ridge regression. The columns of low frequencies are nearly equal, so plain
    least squares would give huge weights that cancel each other.

    Args:
        weight: Old projection, ``(channels, old width)``.
        width: Width of the new codes.
        frames: Longest distance that is fitted, in frames.
        ridge: Penalty of a squared weight, relative to the mean squared difference.

    Returns:
        New projection, ``(channels, width)``.
    """
    if width == weight.shape[1]:
        return weight
    old = relative_positions(frames, weight.shape[1]).to(weight.device)
    new = relative_positions(frames, width).to(weight.device)
    target = old @ weight.double().T
    gram = new.T @ new + ridge * len(new) * torch.eye(width).to(new)
    return torch.linalg.solve(gram, new.T @ target).T.to(weight).contiguous()


def relative_positions(frames: int, width: int) -> torch.Tensor:
    """Return the codes of the distances ``frames - 1`` to ``1 - frames``, one per row.

    Args:
        frames: Number of frames; there are ``2 * frames - 1`` distances.
        width: Width of the codes: sines in even columns, cosines in odd ones.

    - [0] Attention Is All You Need, 2017, https://arxiv.org/abs/1706.03762, section 3.5
    """
    distance = torch.arange(frames - 1, -frames, -1, dtype=torch.float64)[:, None]
    rates = torch.exp(
        torch.arange(0, width, 2, dtype=torch.float64) * -(math.log(10000.0) / width)
    )
    codes = torch.zeros(len(distance), width, dtype=torch.float64)
    codes[:, 0::2] = torch.sin(distance * rates)
    codes[:, 1::2] = torch.cos(distance * rates)
    return codes


def _narrow_convolution(out: State, block: str, width: int) -> None:
    name = f"{block}conv_module."
    halves = _norm(out[f"{name}pointwise_conv1.weight"], 0).view(2, -1)
    importance = halves[0] * _norm(out[f"{name}pointwise_conv2.weight"], 1)
    kept = _largest(importance, width, name)
    # The gates are in the second half of the channels.
    _take(out, f"{name}pointwise_conv1", rows=torch.cat([kept, kept + halves.shape[1]]))
    _take(out, f"{name}depthwise_conv", rows=kept)
    for tensor in ("weight", "bias", "running_mean", "running_var"):
        if f"{name}norm.{tensor}" in out:
            out[f"{name}norm.{tensor}"] = out[f"{name}norm.{tensor}"][kept]
    _take(out, f"{name}pointwise_conv2", columns=kept)


def _narrow_subsampling(
    out: State, width: int, stream: torch.Tensor, scale: float
) -> None:
    convs = sorted(
        {n.rsplit(".", 1)[0] for n in out if n.startswith("encoder.embed.conv.")},
        key=lambda n: int(n.rsplit(".", 1)[1]),
    )
    linear = "encoder.embed.out"
    if f"{linear}.weight" not in out:  # its name before ESPnet 202609
        linear = "encoder.embed.out.0"
    bins = out[f"{linear}.weight"].shape[1] // out[f"{convs[-1]}.weight"].shape[0]
    for index, conv in enumerate(convs):
        if index + 1 < len(convs):
            read = _norm(out[f"{convs[index + 1]}.weight"], 1)
        else:  # channel by channel, each with its frequency bins
            read = _norm(
                out[f"{linear}.weight"].view(len(out[f"{linear}.bias"]), -1, bins), 1
            )
        kept = _largest(_norm(out[f"{conv}.weight"], 0) * read, width, conv)
        _take(out, conv, rows=kept)
        if index + 1 < len(convs):
            _take(out, convs[index + 1], columns=kept)
    columns = (kept[:, None] * bins + torch.arange(bins)).flatten()
    _take(out, linear, rows=stream, columns=columns)
    for tensor in ("weight", "bias"):
        # The encoder multiplies its input by the square root of its width.
        out[f"{linear}.{tensor}"] = out[f"{linear}.{tensor}"] * scale


def _blocks(state: Mapping[str, torch.Tensor]) -> list[str]:
    numbers = {int(m[1]) for m in map(_BLOCK.match, state) if m}
    return [f"encoder.encoders.{number}." for number in sorted(numbers)]


def _norm(weight: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the Euclidean norm of every slice along ``dim``."""
    return weight.transpose(0, dim).flatten(1).norm(dim=1)


def _largest(importance: torch.Tensor, count: int, where: str) -> torch.Tensor:
    """Return the indices of the largest values, ascending."""
    if not 1 <= count <= len(importance):
        raise UserError(
            f"{where}: {count} of {len(importance)} cannot be kept: choose 1 to "
            f"{len(importance)}"
        )
    return importance.topk(count).indices.sort().values


def _take(
    out: State,
    layer: str,
    rows: Optional[torch.Tensor] = None,
    columns: Optional[torch.Tensor] = None,
) -> None:
    """Keep rows (outputs, with their biases) and columns (inputs) of a layer."""
    weight = out.get(f"{layer}.weight")
    if weight is None:
        return
    if columns is not None:
        weight = weight[:, columns]
    if rows is not None:
        weight = weight[rows]
        if f"{layer}.bias" in out:
            out[f"{layer}.bias"] = out[f"{layer}.bias"][rows]
    out[f"{layer}.weight"] = weight.contiguous()
