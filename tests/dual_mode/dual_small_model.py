"""A small supernet with its output layers, and a batch for it."""

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
from espnet2.asr_transducer.joint_network import JointNetwork

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.model import ESPnetDualModeModel
from espnet_plugin.dual_mode.plan import TrainingPlan

TOKENS = ["<blank>", "<unk>", "<space>", "a", "b", "c", "<sos/eos>"]
BINS = 12
LENGTHS = torch.tensor([60, 41])
TEXT = torch.tensor([[3, 4, 2, 5], [4, 4, -1, -1]])
COUNTS = torch.tensor([4, 2])


def build(
    cls=ESPnetDualModeModel, transducer=False, pruning=True, planned=True, **conf
):
    torch.manual_seed(0)
    encoder = DualModeConformerEncoder(
        BINS,
        output_size=8,
        attention_heads=2,
        linear_units=12,
        num_blocks=2,
        dropout_rate=0.0,
        positional_dropout_rate=0.0,
        cnn_module_kernel=3,
        chunk_frames=4,
        left_context_frames=4,
        pruning={"sparsity": 0.5, "every": 1} if pruning is True else pruning or None,
    )
    parts = {}
    if transducer:
        parts["decoder"] = TransducerDecoder(len(TOKENS), hidden_size=6)
        parts["joint_network"] = JointNetwork(len(TOKENS), 8, 6, joint_space_size=8)
    conf = {"ctc_weight": 1.0, **conf}
    model = cls(
        vocab_size=len(TOKENS),
        token_list=TOKENS,
        frontend=None,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        postencoder=None,
        ctc=CTC(len(TOKENS), 8),
        **{"decoder": None, "joint_network": None, **parts},
        **conf,
    )
    if cls is ESPnetDualModeModel and planned:
        model.set_plan(TrainingPlan((10,)))
    return model


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return dict(
        speech=torch.randn(2, 60, BINS, generator=generator),
        speech_lengths=LENGTHS,
        text=TEXT,
        text_lengths=COUNTS,
    )
