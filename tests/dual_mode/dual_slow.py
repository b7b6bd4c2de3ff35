"""The encoder once more: one utterance, one frame at a time, from its tensors alone."""

import math

import torch


def linear(state, name, x):
    weight = state[f"{name}.weight"]
    out = weight.flatten(1) @ x
    return out + state[f"{name}.bias"] if f"{name}.bias" in state else out


def norm(state, name, x, eps=1e-12, keep=None):
    """Normalise a vector; over the places in ``keep`` only, if given."""
    part = x if keep is None else x[keep]
    centred = x - part.mean()
    out = centred / (part.var(unbiased=False) + eps).sqrt()
    return out * state[f"{name}.weight"] + state[f"{name}.bias"]


def swish(x):
    return x / (1 + torch.exp(-x))


def code(distance, width):
    """The sines and cosines of one distance."""
    out = torch.zeros(width, dtype=torch.float64)
    for i in range(0, width, 2):
        angle = distance / 10000 ** (i / width)
        out[i] = math.sin(angle)
        if i + 1 < width:
            out[i + 1] = math.cos(angle)
    return out


def subsample(state, features, convolutions=((3, 2), (3, 2))):
    """Frames of the front end: a convolution written as products and sums."""
    x = features[None]  # (channels, time, bins)
    for number, (kernel, stride) in enumerate(convolutions):
        weight = state[f"embed.conv.{2 * number}.weight"]
        bias = state[f"embed.conv.{2 * number}.bias"]
        times = (x.shape[1] - kernel) // stride + 1
        bins = (x.shape[2] - kernel) // stride + 1
        out = torch.zeros(len(weight), times, bins, dtype=x.dtype)
        for t in range(times):
            for f in range(bins):
                patch = x[:, t * stride :, f * stride :][:, :kernel, :kernel]
                out[:, t, f] = (weight * patch).sum((1, 2, 3)) + bias
        x = out.clamp(min=0)
    frames = [linear(state, "embed.out", x[:, t].flatten()) for t in range(x.shape[1])]
    return [frame * math.sqrt(len(frame)) for frame in frames]


def feed_forward(state, name, x):
    return linear(state, f"{name}.w_2", swish(linear(state, f"{name}.w_1", x)))


def attend(state, name, heads, query, position, keys):
    """One frame attends to ``keys``: pairs of place in the utterance and vector."""
    q = linear(state, f"{name}.linear_q", query).view(heads, -1)
    out = []
    for head in range(heads):
        size = q.shape[1]
        rows = slice(head * size, (head + 1) * size)
        scores, values = [], []
        for place, vector in keys:
            k = linear(state, f"{name}.linear_k", vector)[rows]
            p = linear(state, f"{name}.linear_pos", code(position - place, len(query)))
            u = state[f"{name}.pos_bias_u"][head]
            v = state[f"{name}.pos_bias_v"][head]
            scores.append(((q[head] + u) @ k + (q[head] + v) @ p[rows]) / size**0.5)
            values.append(linear(state, f"{name}.linear_v", vector)[rows])
        weights = torch.stack(scores).exp()
        weights = weights / weights.sum()
        out.append(sum(w * value for w, value in zip(weights, values)))
    return linear(state, f"{name}.linear_out", torch.cat(out))


def slow_encode(state, features, layers, heads, chunk=None, left=0, ahead=0, keep=None):
    """Encode one utterance.

    Args:
        state: Tensors, float64.
        features: ``(frames, bins)``.
        chunk, left, ahead: Encoder frames of the streaming mode: of a chunk, before it
            and after it. The full mode if ``chunk`` is None.
        keep: Channels that the normalisation of each layer's convolution runs over.

    Returns:
        ``(encoder frames, width)``.
    """
    frames = subsample(state, features)
    size = chunk or len(frames)
    past = [[] for _ in range(layers)]  # what earlier chunks left: place, key vector
    conv_past = [{} for _ in range(layers)]
    out = []
    for start in range(0, len(frames), size):
        places = list(range(start, min(start + size + ahead, len(frames))))
        x = {p: frames[p] for p in places}
        for number in range(layers):
            name = f"encoders.{number}"
            macaron = f"{name}.feed_forward_macaron"
            half = 0.5 if f"{macaron}.w_1.weight" in state else 1.0
            if half == 0.5:
                for p in places:
                    h = norm(state, f"{name}.norm_ff_macaron", x[p])
                    x[p] = x[p] + 0.5 * feed_forward(state, macaron, h)
            read = {p: norm(state, f"{name}.norm_mha", x[p]) for p in places}
            keys = [pair for pair in past[number] if pair[0] >= start - left]
            keys += list(read.items())
            for p in places:
                x[p] = x[p] + attend(
                    state, f"{name}.self_attn", heads, read[p], p, keys
                )
            past[number] += [(p, read[p]) for p in places if p < start + size]
            gated = dict(conv_past[number])
            for p in places:
                h = norm(state, f"{name}.norm_conv", x[p])
                a, b = linear(state, f"{name}.conv_module.pointwise_conv1", h).chunk(2)
                gated[p] = a / (1 + torch.exp(-b))
            kernel = state[f"{name}.conv_module.depthwise_conv.weight"][:, 0]
            reach = (kernel.shape[1] - 1) // 2
            for p in places:
                total = state[f"{name}.conv_module.depthwise_conv.bias"]
                for tap in range(-reach, (0 if chunk else reach) + 1):
                    if p + tap in gated:
                        total = total + kernel[:, reach + tap] * gated[p + tap]
                kept = None if keep is None else keep[number]
                h = norm(state, f"{name}.conv_module.norm", total, 1e-5, kept)
                h = swish(h)
                x[p] = x[p] + linear(state, f"{name}.conv_module.pointwise_conv2", h)
            conv_past[number].update({p: gated[p] for p in places if p < start + size})
            for p in places:
                h = norm(state, f"{name}.norm_ff", x[p])
                x[p] = x[p] + half * feed_forward(state, f"{name}.feed_forward", h)
                x[p] = norm(state, f"{name}.norm_final", x[p])
        out += [norm(state, "after_norm", x[p]) for p in places if p < start + size]
    return torch.stack(out)
