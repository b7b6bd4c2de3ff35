"""Small SSL models of both losses, and what goes in, for tests/self_supervised."""

import torch
from dual_small import BINS, small_encoder

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.names import SPAN_MASK
from espnet_plugin.self_supervised.best_rq_loss import BestRQLoss
from espnet_plugin.self_supervised.loss import Wav2Vec2Loss
from espnet_plugin.self_supervised.masking import SpanMask
from espnet_plugin.self_supervised.model import ESPnetDualModeSSLModel

STRUCTURED = ["heads", "units", "channels"]
LENGTHS = torch.tensor([90, 61, 75])


def batch(seed=1):
    """Return features ``(3, 90, BINS)`` and their lengths ``(3,)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 90, BINS, generator=generator), LENGTHS


def ssl_model(encoder, loss, specaug=None, **conf):
    """Return a model of this encoder and loss that masks spans of three frames."""
    return ESPnetDualModeSSLModel(
        frontend=None,
        specaug=specaug,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        losses=[loss],
        util_attributes={SPAN_MASK},
        required_inputs=set(),
        util_modules=torch.nn.ModuleDict({SPAN_MASK: SpanMask(0.1, 3)}),
        token_list=[],
        **conf,
    )


def best_rq_model(granularity=STRUCTURED, loss=None, dropout=0.0, specaug=None, **conf):
    """Return a model of two layers; ``loss`` changes options of BestRQLoss."""
    encoder = small_encoder(
        dropout_rate=dropout,
        positional_dropout_rate=dropout,
        chunk_frames=[4, 3],
        pruning=dict(granularity=granularity, sparsity=0.5, every=1, end=0.9),
    ).float()
    sizes = {**dict(entries=6, code_size=4), **(loss or {})}
    return ssl_model(encoder, BestRQLoss(8, **sizes), specaug, **conf)


def wav2vec2_model(pruning=None, loss=None, dropout=0.0, encoder=None, **conf):
    """Return a model of two layers; ``loss`` changes options of Wav2Vec2Loss."""
    torch.manual_seed(0)
    if encoder is None:
        encoder = DualModeConformerEncoder(
            input_size=BINS,
            output_size=8,
            attention_heads=2,
            linear_units=10,
            num_blocks=2,
            macaron_style=True,
            cnn_module_kernel=5,
            dropout_rate=dropout,
            positional_dropout_rate=dropout,
            chunk_frames=[4, 3],
            left_context_frames=5,
            look_ahead_frames=2,
            pruning={"granularity": STRUCTURED, **(pruning or {"sparsity": 0.5})},
        )
    sizes = dict(project_size=6, entries=4, code_size=6, distractors=5)
    objective = Wav2Vec2Loss(8, mask_util=SPAN_MASK, **{**sizes, **(loss or {})})
    norm, stem = objective.objective.quantiser.norm, getattr(encoder, "embed", None)
    if stem is not None:  # as after some training
        frames = stem(batch()[0]).detach().flatten(0, 1)
        norm.running_mean, norm.running_var = frames.mean(0), frames.var(0)
    return ssl_model(encoder, objective, **conf)


def train(model, optim, steps):
    """Train on one batch for each number in ``steps``, which is its seed."""
    for number in steps:
        torch.manual_seed(number)  # ESPnet's trainer seeds every epoch
        optim.zero_grad()
        model(*batch(number))[0].backward()
        optim.step()


def kept_and_masked(model):
    """Gradients of every parameter within reach of the masks, in two parts."""
    kept, masked = [], []
    for _, groups, mask in model.encoder.pruner.masks():
        for owner, name, spread in groups.spread(mask):
            gradient = getattr(owner, name).grad
            spread = spread.expand_as(gradient).bool()
            kept.append(gradient[spread])
            masked.append(gradient[~spread])
    return torch.cat(kept), torch.cat(masked)
