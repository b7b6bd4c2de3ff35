// From tokens to words with times. The same as espnet_plugin/recognise/vocabulary.py,
// words.py and recogniser.py.

import { aggregate } from "./confidence.js";

// What Python's str.isspace() says of the characters that are in use.
const SPACE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Join tokens into words.
 * @param {number[]} tokens
 * @param {{pieces: string[], bytes_of: Object<string, number>}} model what each token
 *     writes; tokens that stand for a byte of UTF-8
 * @returns {{text: string, first: number, last: number}[]} with the first and the last
 *     of a word's tokens, counted in the sequence
 */
export function joinWords(tokens, { pieces, bytes_of: bytes }) {
  const words = [];
  let inside = false;
  for (const { letter, first, last } of letters(tokens, pieces, bytes)) {
    if (SPACE.test(letter)) {
      inside = false;
    } else if (inside) {
      const word = words.at(-1);
      word.text += letter;
      word.last = last;
    } else {
      words.push({ text: letter, first, last });
      inside = true;
    }
  }
  return words;
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
  return joinWords(tokens, model).map(({ text, first, last }, place) => {
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
    };
  });
}

/** Return the words as one line of text. */
export function textOf(words) {
  return words.map(({ word }) => word).join(" ");
}
