"""An export may be as far from ESPnet's model as that is from its exact values."""

import numpy as np
import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.export.ports import SamplesPort
from espnet_plugin.export.reference import stock_alone, stock_exactly
from espnet_plugin.export.source import load_source
from espnet_plugin.export.verify import check_parity

FEW = 1e-8  # below what single precision can keep


class Exported:
    """In place of an exported model: ESPnet's, exact, and something wrong added."""

    def __init__(self, source, wrong):
        self.source, self.wrong = source, wrong
        self.single, self.largest = [], 0.0

    def run(self, feed):
        rows = []
        for samples, count in zip(feed["samples"], feed["lengths"]):
            given = torch.from_numpy(samples[:count])
            if count == 1:  # ESPnet takes none so short
                return [np.zeros((1, 1, 5)), np.array([1])]
            exact = stock_exactly(self.source, given)
            own = np.abs(exact - stock_alone(self.source, given)).max()
            self.largest = max(self.largest, own)
            exact[0, 2] += self.wrong
            rows.append(exact)
        lengths = np.array([len(row) for row in rows])
        batch = np.zeros((len(rows), lengths.max(), rows[0].shape[1]))
        for row, one in zip(batch, rows):
            row[: len(one)] = one
        return [batch, lengths]


@pytest.fixture
def port():
    port = SamplesPort()
    object.__setattr__(port, "tolerance", FEW)
    return port


def test_the_exact_model_is_no_worse_than_espnets(tiny_asr_model, port):
    source = load_source(tiny_asr_model.dir)
    exported = Exported(source, 0.0)
    parity = check_parity(source, port, exported)
    assert parity.max_difference == pytest.approx(exported.largest) and (
        exported.largest > FEW
    )


def test_more_than_rounding_is_refused(tiny_asr_model, port):
    source = load_source(tiny_asr_model.dir)
    with pytest.raises(UserError, match="differ by up to 0.0001"):
        check_parity(source, port, Exported(source, 1e-4))


def test_double_precision_leaves_the_model_as_it_was(tiny_asr_model):
    source = load_source(tiny_asr_model.dir)
    samples = torch.randn(8000) * 0.1
    before = stock_alone(source, samples)
    exact = stock_exactly(source, samples)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, before, atol=1e-4)
    np.testing.assert_array_equal(stock_alone(source, samples), before)
    assert torch.get_default_dtype() == torch.float32
