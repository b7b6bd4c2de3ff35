// CTC decoding: the best path, and the most probable alignment of its tokens.
// The same as espnet_plugin/recognise/words.py and recogniser.py.

/**
 * Log-probabilities of one utterance, row by row.
 * @typedef {{data: Float32Array, frames: number, vocabulary: number}} LogProbs
 * A token and its frames, `last` included; `peak` is where it is most probable.
 * @typedef {{token: number, first: number, last: number, peak: number}} Span
 */

/** Return the best token of a frame; the first one of equals. */
export function bestToken({ data, vocabulary }, frame) {
  const row = frame * vocabulary;
  let best = 0;
  for (let token = 1; token < vocabulary; token++) {
    if (data[row + token] > data[row + best]) best = token;
  }
  return best;
}

/** Return the tokens of the best path, without repeats and silent tokens. */
export function bestPath(logProbs, silent) {
  const tokens = [];
  let previous = -1;
  let score = 0;
  for (let frame = 0; frame < logProbs.frames; frame++) {
    const best = bestToken(logProbs, frame);
    score += logProbs.data[frame * logProbs.vocabulary + best];
    if (best !== previous && !silent.has(best)) tokens.push(best);
    previous = best;
  }
  return { tokens, score };
}

/**
 * Find the most probable alignment of tokens (Viterbi).
 * @param {LogProbs} logProbs
 * @param {number[]} tokens without blanks
 * @param {number} blank
 * @returns {Span[]}
 */
export function align(logProbs, tokens, blank) {
  if (!tokens.length) return [];
  const { data, frames, vocabulary } = logProbs;
  // blank, token, blank, token, ..., blank
  const states = new Array(2 * tokens.length + 1).fill(blank);
  tokens.forEach((token, place) => (states[2 * place + 1] = token));
  const count = states.length;
  const canSkip = states.map((token, s) => s % 2 === 1 && s > 2 && token !== states[s - 2]);
  let scores = new Float64Array(count).fill(-Infinity);
  for (let s = 0; s < Math.min(2, count) && frames; s++) scores[s] = data[states[s]];
  const moves = new Uint8Array(frames * count);
  for (let frame = 1; frame < frames; frame++) {
    const next = new Float64Array(count);
    for (let s = 0; s < count; s++) {
      let move = 0;
      if (s > 0 && scores[s - 1] > scores[s]) move = 1;
      if (canSkip[s] && scores[s - 2] > scores[s - move]) move = 2;
      moves[frame * count + s] = move;
      next[s] = scores[s - move] + data[frame * vocabulary + states[s]];
    }
    scores = next;
  }
  let state = scores[count - 2] > scores[count - 1] ? count - 2 : count - 1;
  if (!Number.isFinite(scores[state])) {
    throw new Error(`${tokens.length} tokens cannot be aligned with ${frames} frames`);
  }
  const path = new Int32Array(frames);
  for (let frame = frames - 1; frame >= 0; frame--) {
    path[frame] = state;
    state -= moves[frame * count + state];
  }
  return spansOf(logProbs, states, path);
}

function spansOf({ data, frames, vocabulary }, states, path) {
  const spans = [];
  for (let frame = 0; frame < frames; frame++) {
    const state = path[frame];
    if (state % 2 === 0) continue;
    const token = states[state];
    const open = spans.at(-1);
    if (open?.state !== state) {
      spans.push({ state, token, first: frame, last: frame, peak: frame });
      continue;
    }
    open.last = frame;
    if (data[frame * vocabulary + token] > data[open.peak * vocabulary + token]) {
      open.peak = frame;
    }
  }
  return spans.map(({ token, first, last, peak }) => ({ token, first, last, peak }));
}

/**
 * The best path of frames that come in pieces, with the frames of each token. For them
 * alone it holds memory, not for the log-probabilities.
 */
export class RunningBestPath {
  /**
   * @param {Set<number>} silent tokens that are no text, the blank included
   * @param {(row: Float32Array, token: number) => number} sureness of a token in a frame
   */
  constructor(silent, sureness) {
    this.silent = silent;
    this.sureness = sureness;
    this.frames = 0;
    this.previous = -1;
    this.spans = [];
  }

  /** Take some frames. */
  push(logProbs) {
    const { data, frames, vocabulary } = logProbs;
    for (let here = 0; here < frames; here++, this.frames++) {
      const token = bestToken(logProbs, here);
      const row = data.subarray(here * vocabulary, (here + 1) * vocabulary);
      if (!this.silent.has(token)) this.extend(token, row);
      this.previous = token;
    }
  }

  extend(token, row) {
    const frame = this.frames;
    let span = this.spans.at(-1);
    if (token !== this.previous) {
      span = { token, first: frame, peak: frame, best: -Infinity, sure: 0 };
      this.spans.push(span);
    }
    span.last = frame;
    if (row[token] > span.best) {
      span.best = row[token];
      span.peak = frame;
      span.sure = this.sureness(row, token);
    }
  }
}
