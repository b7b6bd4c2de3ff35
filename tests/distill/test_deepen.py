"""Deeper encoders that compute what the shallower ones do."""

import pytest
import torch

from espnet_plugin.distill.deepen import DEEPENED, deepen, repeat_layers
from espnet_plugin.distill.students import keep_layers

SIZE = {"input_size": 10, "output_size": 16, "attention_heads": 2, "linear_units": 24}
MORE = {
    "conformer": {"cnn_module_kernel": 7, "macaron_style": True},
    "transformer": {},
    "e_branchformer": {"cgmlp_linear_units": 32, "cgmlp_conv_kernel": 7},
}


def encoder(name, layers, seed=0):
    from espnet2.tasks.asr import encoder_choices

    torch.manual_seed(seed)
    conf = {**SIZE, **MORE[name], "num_blocks": layers}
    return encoder_choices.get_class(name)(**conf).eval()


def prefixed(module):
    return {f"encoder.{name}": t for name, t in module.state_dict().items()}


def output(name, state, layers):
    module = encoder(name, layers)
    module.load_state_dict({k.removeprefix("encoder."): t for k, t in state.items()})
    torch.manual_seed(5)
    with torch.no_grad():
        return module(torch.randn(3, 80, 10), torch.tensor([80, 60, 44]))[0]


@pytest.mark.parametrize("name", DEEPENED)
def test_the_output_stays(name):
    state = prefixed(encoder(name, 2, seed=1))
    before = output(name, state, 2)
    layers = repeat_layers(2, 5)
    assert layers == [0, 0, 0, 1, 1]
    torch.testing.assert_close(
        output(name, deepen(state, layers), 5), before, atol=1e-4, rtol=1e-4
    )
    # Copies that add what the layers add do not say the same.
    copies = output(name, keep_layers(state, layers), 5)
    assert (copies - before).abs().mean() > 0.1


@pytest.mark.parametrize("name", DEEPENED)
def test_trained_normalisations_are_undone_nearly(name):
    state = prefixed(encoder(name, 2, seed=1))
    generator = torch.Generator().manual_seed(2)
    for key, tensor in state.items():
        if "norm" in key and tensor.is_floating_point():
            tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    before = output(name, state, 2)
    after = output(name, deepen(state, repeat_layers(2, 4)), 4)
    assert (after - before).norm() < 0.1 * before.norm()


def test_what_was_there_is_kept_and_what_is_new_can_learn():
    state = prefixed(encoder("conformer", 2, seed=1))
    new = deepen(state, [0, 0, 1])
    for key, tensor in state.items():
        moved = key.replace("encoders.1.", "encoders.2.")
        assert torch.equal(new[moved], tensor), key
    module = encoder("conformer", 3)
    module.load_state_dict({k.removeprefix("encoder."): t for k, t in new.items()})
    module(torch.randn(2, 60, 10), torch.tensor([60, 60]))[0].square().sum().backward()
    added = module.encoders[1]
    for last in (added.feed_forward.w_2, added.conv_module.pointwise_conv2):
        assert not last.weight.any() and last.weight.grad.abs().max() > 0
