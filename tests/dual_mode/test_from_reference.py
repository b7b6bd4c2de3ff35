"""A supernet that starts from the layers of ESPnet's own Conformer."""

import pytest
import torch
import yaml
from dual_small import BINS, encode, features, small_encoder
from torch import nn

from espnet_plugin.dual_mode.from_reference import copied_from_reference
from espnet_plugin.dual_mode.reference_layers import check_alike, check_start
from espnet_plugin.errors import UserError

CONF = {
    "output_size": 8,
    "attention_heads": 2,
    "linear_units": 10,
    "macaron_style": True,
    "cnn_module_kernel": 5,
}
LATEST = {"rel_pos_type": "latest"}


def stock_encoder(layers=3, **options):
    """ESPnet's Conformer in float64, with statistics and gains that are not trivial."""
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

    torch.manual_seed(1)
    encoder = ConformerEncoder(BINS, num_blocks=layers, **LATEST, **CONF, **options)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for layer in encoder.encoders:
            norm = layer.conv_module.norm
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.2, 3.0)
    return encoder.double().eval()


def named(encoder):
    return {f"encoder.{name}": value for name, value in encoder.state_dict().items()}


def started(stock, layers, **options):
    """A small supernet with the reference's layers; gains stay those of LayerNorm."""
    encoder = small_encoder(num_blocks=len(layers), **options)
    copied = copied_from_reference(named(stock), named(encoder), layers)
    encoder.load_state_dict({k[len("encoder.") :]: v for k, v in copied.items()})
    return encoder


@pytest.mark.parametrize("layers", [[0, 1, 2], [0, 2]])
def test_it_computes_the_same_but_for_the_normalisation(layers):
    stock = stock_encoder()
    encoder = started(stock, layers)
    # What is left of BatchNorm is in the convolution, so no normalisation is needed.
    for layer in encoder.encoders:
        layer.conv_module.norm = nn.Identity()
        layer.conv_module.norm.weight = None
    kept = stock.encoders._modules
    stock.encoders._modules = {str(i): kept[str(n)] for i, n in enumerate(layers)}
    x = features(60, batch=2)
    expected, _, _ = stock(x, torch.tensor([60, 60]))
    assert torch.allclose(encode(encoder, x, "full"), expected, atol=3e-6)


def test_the_layer_norm_has_the_mean_and_variance_of_the_batch_norm():
    stock = stock_encoder()
    encoder = started(stock, [0, 1, 2])
    for layer, origin in zip(encoder.encoders, stock.encoders):
        norm, batch_norm = layer.conv_module.norm, origin.conv_module.norm
        norm.requires_grad_(False)
        # Over data that has its statistics, and what LayerNorm makes of it.
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(200_000, 8, generator=generator, dtype=torch.float64)
        data = batch_norm.running_mean + batch_norm.running_var.sqrt() * noise
        theirs = batch_norm(data).detach()
        assert norm.bias.unique().numel() == norm.weight.unique().numel() == 1
        assert float(norm.bias[0]) == pytest.approx(float(theirs.mean()), abs=0.01)
        assert float(norm.weight[0]) == pytest.approx(float(theirs.std()), rel=0.01)


def test_a_narrower_front_end_keeps_the_channels_that_matter():
    stock = stock_encoder()
    silent = {0: [1, 4, 5], 2: [0, 2]}
    with torch.no_grad():
        for place, channels in silent.items():
            stock.embed.conv[place].weight[channels] = 0.0
            stock.embed.conv[place].bias[channels] = 0.0
    whole = started(stock, [0, 1])
    narrow = started(stock, [0, 1], front_channels=[5, 6])
    x = features(40)
    expected = encode(whole, x, "full")
    assert torch.allclose(encode(narrow, x, "full"), expected, atol=1e-9)


def test_masks_are_not_part_of_the_start():
    encoder = small_encoder(num_blocks=2, pruning={"sparsity": 0.5})
    own = named(encoder)
    copied = copied_from_reference(named(stock_encoder()), own, [0, 1])
    missing = set(own) - set(copied)
    assert missing and all(name.startswith("encoder.pruner.") for name in missing)


def test_a_reference_with_another_shape_is_named():
    encoder = small_encoder(num_blocks=2, linear_units=12)
    with pytest.raises(UserError, match=r"feed_forward.*\(10.*\(12"):
        copied_from_reference(named(stock_encoder()), named(encoder), [0, 1])


def test_a_missing_layer_is_named():
    encoder = small_encoder(num_blocks=2)
    with pytest.raises(UserError, match="no encoder.encoders.1"):
        copied_from_reference(named(stock_encoder()), named(encoder), [0, 9])


@pytest.mark.parametrize(
    "reference, ours, said",
    [
        ({"encoder": "e_branchformer"}, {}, "e_branchformer"),
        ({"output_size": 16}, {}, "output_size is 16 .* and 8"),
        ({"cnn_module_kernel": 7}, {}, "cnn_module_kernel is 7 .* and 5"),
        ({"macaron_style": False}, {}, "macaron_style is False"),
        ({"input_layer": "conv2d6"}, {}, "input_layer is conv2d6"),
        ({}, {"attention_heads": 4}, "attention_heads is 2 .* and 4"),
        ({"rel_pos_type": "legacy"}, {}, "rel_pos_type is legacy"),
        ({"use_cnn_module": False}, {}, "use_cnn_module is False"),
        # The default of ESPnet is legacy.
        ({"rel_pos_type": None}, {}, "rel_pos_type is legacy"),
    ],
)
def test_layers_that_compute_something_else_are_refused(reference, ours, said):
    reference = dict(reference)
    kind = reference.pop("encoder", "conformer")
    conf = {**CONF, **LATEST, **reference}
    conf = {key: value for key, value in conf.items() if value is not None}
    config = {"encoder": kind, "encoder_conf": conf}
    with pytest.raises(UserError, match=f"ref.yaml: .*{said}"):
        check_alike(config, {"encoder_conf": {**CONF, **ours}}, "ref.yaml")


@pytest.mark.parametrize("key, value", [("hop_length", 160), ("n_mels", 40)])
def test_other_features_are_refused(key, value):
    conf = {"encoder_conf": {**CONF, **LATEST}, "encoder": "conformer"}
    reference = {**conf, "frontend_conf": {key: value}}
    with pytest.raises(UserError, match=f"frontend_conf.{key} is {value} .* and "):
        check_alike(reference, conf, "ref.yaml")
    check_alike(reference, reference, "ref.yaml")


class _LayerNormOfBatchNorm(nn.Module):
    """What should take the place of a BatchNorm, written out."""

    def __init__(self, batch_norm):
        super().__init__()
        self.first = batch_norm

    def forward(self, x):
        x = self.first(x)  # (batch, channels, frames)
        centred = x - x.mean(1, keepdim=True)
        unit = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        gamma, beta = self.first.weight, self.first.bias
        spread = (gamma.square().mean() + beta.var(unbiased=False)).sqrt()
        return unit * spread + beta.mean()


@pytest.mark.parametrize("input_layer", ["conv2d", "conv2d6", "conv2d8"])
@pytest.mark.parametrize("macaron, activation", [(True, "relu"), (False, "swish")])
def test_the_whole_supernet_in_full_mode(input_layer, macaron, activation):
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

    bins, lengths = 40, torch.tensor([90, 71])
    options = {**CONF, "macaron_style": macaron, "activation_type": activation}
    options["input_layer"] = input_layer
    torch.manual_seed(1)
    stock = ConformerEncoder(bins, num_blocks=3, **LATEST, **options).double().eval()
    with torch.no_grad():
        for parameter in stock.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for layer in stock.encoders:
            layer.conv_module.norm.running_mean.normal_()
            layer.conv_module.norm.running_var.uniform_(0.2, 3.0)
    encoder = started(stock, [0, 2], input_size=bins, **options)
    # ESPnet's own layers 0 and 2.
    for layer in stock.encoders:
        layer.conv_module.norm = _LayerNormOfBatchNorm(layer.conv_module.norm)
    kept = stock.encoders._modules
    stock.encoders._modules = {"0": kept["0"], "1": kept["2"]}
    x = torch.randn(2, 90, bins, dtype=torch.float64)
    with torch.no_grad():
        expected, counts, _ = stock(x, lengths)
        found, ours, _ = encoder(x, lengths, mode="full")
    assert torch.equal(ours, counts)
    for one, other, count in zip(found, expected, counts):
        assert torch.allclose(one[:count], other[:count], atol=1e-12)


def test_names_of_earlier_releases_are_known():
    state = named(stock_encoder())
    # Before ESPnet 202609.
    old = {k.replace(".embed.out.", ".embed.out.0."): v for k, v in state.items()}
    assert old.keys() != state.keys()
    own = named(small_encoder(num_blocks=2))
    copied = copied_from_reference(old, own, [0, 1])
    wanted = copied_from_reference(state, own, [0, 1])
    assert copied.keys() == wanted.keys()
    assert all(torch.equal(copied[name], wanted[name]) for name in wanted)


def test_a_reference_in_half_precision_is_computed_in_single_precision():
    state = {k: v.half() for k, v in named(stock_encoder()).items()}
    own = named(small_encoder(num_blocks=2))
    copied = copied_from_reference(state, own, [0, 1])
    wide = {k: v.double() for k, v in state.items()}
    wanted = copied_from_reference(wide, own, [0, 1])
    for name, value in wanted.items():
        assert torch.allclose(copied[name].double(), value, rtol=1e-6, atol=1e-6), name


def test_values_that_are_not_finite_are_refused():
    state = named(stock_encoder())
    state["encoder.encoders.1.feed_forward.w_1.bias"][2] = float("nan")
    own = named(small_encoder(num_blocks=2))
    copied_from_reference(state, own, [0, 2])  # not that layer
    with pytest.raises(UserError, match="encoders.1.feed_forward.w_1.bias holds NaN"):
        copied_from_reference(state, own, [0, 1])


@pytest.mark.parametrize(
    "reference, training, said",
    [
        ({"frontend_conf": {"fs": "8k"}}, {}, "fs is 8000 .* 16000"),
        ({"frontend_conf": {"fmax": 4000}}, {}, "fmax is 4000 .* None"),
        ({"frontend": None}, {}, "frontend is None .* default"),
        ({"frontend": "s3prl"}, {}, "frontend is s3prl"),
        ({"preencoder": "linear"}, {}, "preencoder is linear .* None"),
    ],
)
def test_another_input_is_refused(reference, training, said):
    conf = {"encoder_conf": {**CONF, **LATEST}, "encoder": "conformer"}
    with pytest.raises(UserError, match=f"ref.yaml: .*{said}"):
        check_alike({**conf, **reference}, {**conf, **training}, "ref.yaml")


def test_spellings_of_the_same_are_accepted():
    conf = {"encoder_conf": {**CONF, **LATEST}, "encoder": "conformer"}
    own = {**CONF, "linear_units": [10, 10], "conv_channels": [8, 8], "head_width": 4}
    training = {"encoder_conf": {**own, "front_channels": [8, 4]}}
    reference = {**conf, "frontend_conf": {"fs": 16000}, "preencoder": None}
    check_alike(reference, {**training, "frontend_conf": {"fs": "16k"}}, "ref.yaml")


@pytest.mark.parametrize(
    "ours, said",
    [
        ({"conv_channels": 6}, "conv_channels is 8 .* and 6"),
        ({"macaron_units": [10, 8]}, r"macaron_units is 10 .* and \[10, 8\]"),
        ({"head_width": 2}, "head_width is 4 .* and 2"),
        ({"front_channels": [8, 12]}, r"front_channels is \[8, 12\] .* at most 8"),
        ({"streaming_only": True}, "streaming_only is true .* remove"),
    ],
)
def test_sizes_that_only_the_supernet_has(ours, said):
    conf = {"encoder_conf": {**CONF, **LATEST}, "encoder": "conformer"}
    with pytest.raises(UserError, match=said):
        check_alike(conf, {"encoder_conf": {**CONF, **ours}}, "ref.yaml")


def write_config(folder, **encoder_conf):
    """Write a reference of four layers; return its configuration."""
    conf = {**CONF, **LATEST, "num_blocks": 4, **encoder_conf}
    config = {"token_list": ["a"], "ctc_conf": {}, "model_conf": {}}
    file = folder / "config.yaml"
    file.write_text(
        yaml.safe_dump({**config, "encoder": "conformer", "encoder_conf": conf})
    )
    return file


def test_layers_that_need_the_posteriors_of_others_are_refused(tmp_path):
    conditioned = {"interctc_layer_idx": [2, 3], "interctc_use_conditioning": True}
    file = write_config(tmp_path, **conditioned)
    training = {"encoder_conf": {**CONF, "num_blocks": 2}}
    # The posteriors of layer 2 go into layer 3.
    assert check_start(file, training, "first") == [0, 1]
    with pytest.raises(UserError, match="_conditioning is true.*conf.num_blocks 2 or "):
        check_start(file, training, "spaced")
    training = {"encoder_conf": {**CONF, "num_blocks": 3}}
    with pytest.raises(UserError, match="after layer 2 "):
        check_start(file, training, "first")
    # Without conditioning, the losses of layers change nothing in the layers.
    file = write_config(tmp_path, interctc_layer_idx=[2, 3])
    assert check_start(file, training, "first") == [0, 1, 2]


def test_too_few_layers_are_named_with_their_option(tmp_path):
    file = write_config(tmp_path)
    training = {"encoder_conf": {**CONF, "num_blocks": 5}}
    with pytest.raises(UserError, match="config.yaml: .*num_blocks is 4 .* and 5 "):
        check_start(file, training, "first")
