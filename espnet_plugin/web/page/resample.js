// Another sampling rate, by the filter of scipy.signal.resample_poly, which
// espnet_plugin/recognise/resample.py uses: a sinc with a Kaiser window of 5.0.

const HALF_FILTER = 10;
const BETA = 5;

/** Resamples a signal that comes in pieces, as if it were whole. */
export class Resampler {
  /**
   * @param {number} rate of what comes in, in Hz, a whole number
   * @param {number} wanted rate of what comes out
   */
  constructor(rate, wanted) {
    const common = greatestDivisor(rate, wanted);
    this.up = wanted / common;
    this.down = rate / common;
    this.half = HALF_FILTER * Math.max(this.up, this.down);
    this.taps = lowPass(this.half, 1 / Math.max(this.up, this.down), this.up);
    this.held = new Float32Array(0);
    this.before = 0; // samples that came in before the held ones
    this.next = 0; // the sample that comes out next
  }

  /** Take samples, return those that are ready. */
  push(samples) {
    this.held = joined([this.held, samples]);
    const known = this.before + this.held.length;
    // The last one whose filter reaches no further than what is known.
    const ready = Math.floor((known * this.up - this.half - 1) / this.down) + 1;
    const out = this.until(Math.max(this.next, ready));
    const keep = Math.max(0, Math.ceil((this.next * this.down - this.half) / this.up));
    const done = Math.min(Math.max(0, keep - this.before), this.held.length);
    this.held = this.held.slice(done);
    this.before += done;
    return out;
  }

  /** Return the rest, after the last samples. */
  finish() {
    const known = this.before + this.held.length;
    return this.until(Math.ceil((known * this.up) / this.down));
  }

  until(end) {
    const { up, down, half, taps, held, before } = this;
    const out = new Float32Array(Math.max(0, end - this.next));
    for (let n = 0; n < out.length; n++, this.next++) {
      const centre = this.next * down;
      const first = Math.max(before, Math.ceil((centre - half) / up));
      const last = Math.min(before + held.length - 1, Math.floor((centre + half) / up));
      let sum = 0;
      for (let k = first; k <= last; k++) sum += taps[half + centre - k * up] * held[k - before];
      out[n] = sum;
    }
    return out;
  }
}

/** Resample a whole signal. */
export function resample(samples, rate, wanted) {
  if (rate === wanted) return samples;
  const resampler = new Resampler(rate, wanted);
  return joined([resampler.push(samples), resampler.finish()]);
}

/** Join pieces of samples. */
export function joined(pieces) {
  const out = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    out.set(piece, place);
    place += piece.length;
  }
  return out;
}

function lowPass(half, cutoff, gain) {
  const taps = new Float64Array(2 * half + 1);
  let sum = 0;
  for (let n = -half; n <= half; n++) {
    const x = Math.PI * cutoff * n;
    const sinc = n === 0 ? 1 : Math.sin(x) / x;
    taps[n + half] = sinc * bessel(BETA * Math.sqrt(1 - (n / half) ** 2));
    sum += taps[n + half];
  }
  return taps.map((tap) => (gain * tap) / sum);
}

/** Return the modified Bessel function I0, by its series. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestDivisor(a, b) {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
