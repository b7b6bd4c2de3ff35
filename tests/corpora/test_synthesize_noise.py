"""The noise of the synthetic corpus against the definition of its colours."""

import numpy as np
import pytest

from espnet_plugin.corpora.synthetic.audio import _noise

SAMPLES = 160000


class Drawn:
    """A generator whose exponent is given."""

    def __init__(self, exponent):
        self._exponent = exponent
        self.standard_normal = np.random.RandomState(0).standard_normal

    def uniform(self):
        return self._exponent


@pytest.mark.parametrize(("exponent", "db"), [(0.0, 0.0), (0.5, 1.5), (1.0, 3.01)])
def test_the_power_falls_by_so_much_for_each_octave(exponent, db):
    power = np.abs(np.fft.rfft(_noise(SAMPLES, Drawn(exponent)))) ** 2
    octaves = [power[low : 2 * low].mean() for low in (1000, 4000, 32000)]
    falls = 10 * np.log10(np.divide(octaves[:-1], octaves[1:]))
    assert falls == pytest.approx([2 * db, 3 * db], abs=0.4)


def test_no_second_is_repeated():
    noise = _noise(SAMPLES, Drawn(0.0))
    assert abs(np.corrcoef(noise[16000:], noise[:-16000])[0, 1]) < 0.02
