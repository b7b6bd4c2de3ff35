// Long audio in pieces, cut where it is quietest.
// The same as espnet_plugin/recognise/segments.py, which says why.

const FRAME_SECONDS = 0.01;
const SMOOTHING_FRAMES = 15;
const PAUSE_DB = 3;
const FLOOR = 1e-10;

/**
 * Yield the pieces of a signal in order.
 * @param {Float32Array} samples
 * @param {number} rate
 * @param {number} maxSeconds no piece is longer
 */
export function* split(samples, rate, maxSeconds) {
  const most = Math.floor(maxSeconds * rate);
  const frame = Math.max(1, roundEven(FRAME_SECONDS * rate));
  let start = 0;
  while (samples.length - start > most) {
    const cut = placeToCut(samples.subarray(start, start + most), frame);
    yield { start, samples: samples.subarray(start, start + cut) };
    start += cut;
  }
  if (samples.length > start) yield { start, samples: samples.subarray(start) };
}

function placeToCut(samples, frame) {
  const first = Math.floor(samples.length / 2);
  const frames = Math.floor((samples.length - first) / frame);
  const power = new Float64Array(frames);
  for (let f = 0; f < frames; f++) {
    const begin = first + f * frame;
    for (let i = begin; i < begin + frame; i++) power[f] += samples[i] ** 2 / frame;
  }
  const width = Math.min(SMOOTHING_FRAMES, frames);
  const levels = [];
  for (let f = 0; f + width <= frames; f++) {
    let sum = 0;
    for (let i = f; i < f + width; i++) sum += power[i];
    levels.push(10 * Math.log10(sum / width + FLOOR));
  }
  return first + roundEven((quietest(levels) + width / 2) * frame);
}

/** Return the middle of the longest stretch near the minimum; the last of equals. */
export function quietest(levels) {
  const limit = levels.reduce((least, level) => Math.min(least, level), Infinity) + PAUSE_DB;
  let longest = 0;
  let middle = 0;
  let length = 0;
  levels.forEach((level, place) => {
    length = level <= limit ? length + 1 : 0;
    if (length && length >= longest) {
      longest = length;
      middle = place - (length - 1) / 2;
    }
  });
  return middle;
}

/** Round as Python does: a half goes to the even neighbour. */
function roundEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
