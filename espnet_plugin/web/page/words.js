// From tokens to words with times. The same as espnet_plugin/recognise/vocabulary.py,
// words.py and recogniser.py.

import { aggregate } from "./confidence.js";

// What Python's str.isspace() says of the characters that are in use.
const SPACE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;
// Scripts without spaces: the ranges of _UNSPACED_RANGES in espnet_plugin/text.py.
export const UNSPACED =
  /^[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u1980-\u19df\u1a00-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3038-\u303c\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f\u{1aff0}-\u{1b16f}\u{20000}-\u{3ffff}]$/u;
// What belongs to a letter, and where no word begins: as in recognise/scripts.py.
const PART = /^[\p{M}\u200d\u{1f3fb}-\u{1f3ff}]$/u;
const CLOSING = /^[\p{Pe}\p{Pf}\p{Po}]$/u;
const OPENING = /^[\p{Ps}\p{Pi}\u200d]$/u;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Join tokens into words; each letter of a script without spaces is one, unless the text
 * has a space between two of them.
 * @param {number[]} tokens
 * @param {{pieces: string[], bytes_of: Object<string, number>}} model what each token
 *     writes; tokens that stand for a byte of UTF-8
 * @returns {{text: string, first: number, last: number, glued: boolean}[]} with the first
 *     and the last of a word's tokens, counted in the sequence, and whether it follows the
 *     word before without a space
 */
export function joinWords(tokens, { pieces, bytes_of: bytes }) {
  const words = [];
  let inside = false;
  for (const one of letters(tokens, pieces, bytes)) {
    const space = SPACE.test(one.letter);
    if (!space && inside) words.at(-1).push(one);
    else if (!space) words.push([one]);
    inside = !space;
  }
  const spaced = words.some(
    (word, n) => n && UNSPACED.test(words[n - 1].at(-1).letter) && UNSPACED.test(word[0].letter),
  );
  return words.flatMap((word) =>
    (spaced ? [word] : divided(word)).map((part, n) => ({
      text: part.map(({ letter }) => letter).join(""),
      first: part[0].first,
      last: part.at(-1).last,
      glued: n > 0,
    })),
  );
}

/** Divide a word where a letter begins one, but no token. */
function divided(word) {
  const parts = [];
  let unspaced = false;
  let before = null;
  for (const one of word) {
    const own = UNSPACED.test(one.letter) && !PART.test(one.letter);
    const begins =
      before &&
      (own || unspaced) &&
      !PART.test(one.letter) &&
      !CLOSING.test(one.letter) &&
      !OPENING.test(before.letter);
    if (!before || begins) unspaced = false;
    if (!before || (begins && one.first > before.last)) parts.push([one]);
    else parts.at(-1).push(one);
    unspaced ||= own;
    before = one;
  }
  return parts;
}

function* letters(tokens, pieces, bytes) {
  for (let place = 0; place < tokens.length; place++) {
    const run = [];
    while (tokens[place + run.length] in bytes) run.push(bytes[tokens[place + run.length]]);
    if (run.length) {
      const [first, last] = [place, place + run.length - 1];
      for (const letter of decodeBytes(run)) yield { letter, first, last };
      place = last;
      continue;
    }
    for (const letter of pieces[tokens[place]]) yield { letter, first: place, last: place };
  }
}

/** Decode UTF-8 as SentencePiece does: each byte that is none becomes U+FFFD. */
export function decodeBytes(run) {
  const found = [];
  for (let place = 0; place < run.length; ) {
    const [letter, length] = letterAt(run, place);
    found.push(letter);
    place += length;
  }
  return found;
}

function letterAt(run, place) {
  for (let length = 1; length <= 4 && place + length <= run.length; length++) {
    try {
      return [UTF8.decode(Uint8Array.from(run.slice(place, place + length))), length];
    } catch {
      // Not a whole letter yet.
    }
  }
  return ["\ufffd", 1];
}

/**
 * Return words with times and confidence.
 * @param {{token: number, first: number, last: number, sure: number}[]} spans
 * @param {object} model an entry of models.json
 * @param {number} start second of the first frame's piece in the recording
 * @param {number} stop second that no word goes beyond
 */
export function timedWords(spans, model, start = 0, stop = Infinity) {
  const { frame_seconds: step, first_frame_seconds: centre } = model;
  const tokens = spans.map((span) => span.token);
  return joinWords(tokens, model).map(({ text, first, last, glued }, place) => {
    let begin = Math.max(0, centre + (spans[first].first - 0.5) * step);
    // An export pads audio that is shorter than what its first frame needs.
    if (!place && start + begin >= stop) begin = Math.max(0, stop - start - step);
    return {
      word: text,
      start: Math.min(start + begin, stop),
      end: Math.min(start + centre + (spans[last].last + 0.5) * step, stop),
      confidence: aggregate(
        spans.slice(first, last + 1).map((span) => span.sure),
        model.aggregate,
      ),
      glued,
    };
  });
}

/** Return the words as one line of text. */
export function textOf(words) {
  return words.map(({ word, glued }, n) => (n && !glued ? ` ${word}` : word)).join("");
}
