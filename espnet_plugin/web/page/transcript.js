// What is shown and saved of a recognised recording.

/**
 * Return it in the form of `python -m espnet_plugin.bin.recognise --format json`.
 * @param {object[]} parts pieces with start, end, text, words
 */
export function asJson(name, seconds, parts, model, notes) {
  return {
    file: name,
    seconds: rounded(seconds, 3),
    text: wholeText(parts),
    confidence_calibrated: model.calibrated,
    notes,
    segments: parts.map((part) => ({
      start: rounded(part.start, 3),
      end: rounded(part.end, 3),
      text: part.text,
      words: part.words.map(({ word, start, end, confidence }) => ({
        word,
        start: rounded(start, 3),
        end: rounded(end, 3),
        confidence: rounded(confidence, 4),
      })),
      nbest: part.score === undefined ? [] : [{ text: part.text, score: rounded(part.score, 4) }],
    })),
  };
}

export function wholeText(parts) {
  return parts.map((part) => part.text).filter(Boolean).join(" ");
}

/** Say how fast it was. */
export function speedOf(seconds, computing) {
  if (!seconds) return "";
  const factor = computing / seconds;
  return (
    `${seconds.toFixed(1)} s of audio, ${computing.toFixed(2)} s of computing: ` +
    `real-time factor ${factor.toFixed(factor < 0.1 ? 3 : 2)}` +
    (factor < 1 ? "." : " (slower than speech on this device).")
  );
}

function rounded(value, digits) {
  return Number(value.toFixed(digits));
}
