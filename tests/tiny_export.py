"""Tiny models of every kind that can be exported, and what ESPnet says of them."""

from pathlib import Path
from typing import Sequence

import numpy as np
import torch
import yaml
from tiny_asr import build_tiny_asr

CONVOLUTION = dict(cnn_module_kernel=7)
BRANCHES = dict(cgmlp_linear_units=32, cgmlp_conv_kernel=7)

# Name: encoder, encoder_conf, model_conf.
VARIANTS = {
    "conformer_latest": ("conformer", dict(rel_pos_type="latest", **CONVOLUTION), {}),
    "conformer_legacy": ("conformer", dict(rel_pos_type="legacy", **CONVOLUTION), {}),
    "conformer_absolute": (
        "conformer",
        dict(
            pos_enc_layer_type="abs_pos",
            selfattention_layer_type="selfattn",
            **CONVOLUTION,
        ),
        {},
    ),
    "conformer_conv2d1": (
        "conformer",
        dict(rel_pos_type="latest", input_layer="conv2d1", **CONVOLUTION),
        {},
    ),
    "conformer_conv2d2": (
        "conformer",
        dict(rel_pos_type="latest", input_layer="conv2d2", **CONVOLUTION),
        {},
    ),
    "conformer_conv2d6_macaron": (
        "conformer",
        dict(
            rel_pos_type="latest",
            input_layer="conv2d6",
            macaron_style=True,
            **CONVOLUTION,
        ),
        {},
    ),
    "conformer_conv2d8_interctc": (
        "conformer",
        dict(
            rel_pos_type="latest",
            input_layer="conv2d8",
            interctc_layer_idx=[1, 2],
            interctc_use_conditioning=True,
            **CONVOLUTION,
        ),
        dict(interctc_weight=0.3),
    ),
    "conformer_plain": (
        "conformer",
        dict(
            rel_pos_type="latest",
            use_cnn_module=False,
            normalize_before=False,
            concat_after=True,
        ),
        {},
    ),
    "conformer_conv1d": (
        "conformer",
        dict(
            rel_pos_type="latest",
            positionwise_layer_type="conv1d",
            positionwise_conv_kernel_size=3,
            **CONVOLUTION,
        ),
        {},
    ),
    "conformer_convolutional_positions": (
        "conformer",
        dict(
            pos_enc_layer_type="conv",
            selfattention_layer_type="selfattn",
            **CONVOLUTION,
        ),
        {},
    ),
    "transformer": ("transformer", {}, {}),
    "branchformer": ("branchformer", BRANCHES, {}),
    "e_branchformer": (
        "e_branchformer",
        dict(use_ffn=True, macaron_ffn=True, **BRANCHES),
        {},
    ),
}


def build_variant(root: Path, name: str):
    """Write the experiment of a variant; see ``build_tiny_asr``."""
    encoder, encoder_conf, model_conf = VARIANTS[name]
    return build_tiny_asr(
        root,
        name=f"asr_{name}",
        encoder=encoder,
        encoder_conf=encoder_conf,
        model_conf=model_conf,
    )


def build_fbank_model(root: Path):
    """Write a model that takes this plugin's Kaldi filter banks, twenty of them."""
    made = build_tiny_asr(root)
    config = yaml.safe_load(made.config.read_text())
    config.update(frontend=None, frontend_conf={}, input_size=20)
    made.config.write_text(yaml.safe_dump(config))
    state = torch.load(made.checkpoint)
    del state["frontend.logmel.melmat"]
    torch.save(state, made.checkpoint)
    return made


def noise(count: int, seed: int) -> np.ndarray:
    """Return ``(count,)`` float32 of white noise, without a mean."""
    wave = 0.1 * np.random.default_rng(seed).standard_normal(count)
    return (wave - wave.mean()).astype(np.float32)


@torch.inference_mode()
def espnet_log_probs(model, utterances: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what ESPnet's own ``encode`` and CTC layer say of each one alone."""
    found = []
    for samples in utterances:
        speech = torch.from_numpy(samples)[None]
        encoded, lengths = model.encode(speech, torch.tensor([speech.size(1)]))
        if isinstance(encoded, tuple):
            encoded = encoded[0]
        found.append(model.ctc.log_softmax(encoded)[0, : int(lengths[0])].numpy())
    return found


def change_config(experiment, **settings):
    """Change keys of an experiment's config.yaml; mappings are merged."""
    path = experiment / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for key, value in settings.items():
        if isinstance(value, dict):
            config[key] = {**(config.get(key) or {}), **value}
        else:
            config[key] = value
    path.write_text(yaml.safe_dump(config))


def check_operators(path: Path):
    """No operator that runtimes compute differently: see findings/README.md."""
    import onnx  # which not all tests of this folder need

    graph = onnx.load(str(path)).graph
    names = {node.op_type for node in graph.node}
    assert {"Conv", "MatMul"} <= names
    differ = {"Attention", "ConvTranspose", "DFT", "GRU", "IsInf", "LSTM"}
    differ |= {"MelWeightMatrix", "RNN", "STFT"}
    assert not names & differ
    assert not any(name.startswith("Random") for name in names)
    assert not _counted_and_divided(graph)


def _counted_and_divided(graph) -> list[str]:
    """Return the quotients of what was reduced, with element-wise steps between."""
    reduced, found = set(), []
    for node in graph.node:
        if node.op_type.startswith("Reduce"):
            reduced.update(node.output)
        elif reduced.intersection(node.input[:1]):
            if node.op_type == "Div":
                found.append(node.name)
            elif node.op_type in ("Add", "Sub", "Mul", "Neg", "Abs", "Clip"):
                reduced.update(node.output)
    return found
