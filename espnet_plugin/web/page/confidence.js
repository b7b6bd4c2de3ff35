// How sure the recogniser is. The same as espnet_plugin/recognise/confidence.py.

/** Return the posterior of a token in a row of log-probabilities, at a temperature. */
export function tokenConfidence(row, token, temperature) {
  let most = -Infinity;
  for (const value of row) most = Math.max(most, value);
  let sum = 0;
  for (const value of row) sum += Math.exp((value - most) / temperature);
  return Math.exp((row[token] - most) / temperature) / sum;
}

const JOINED = {
  min: (values) => Math.min(...values),
  mean: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  product: (values) => values.reduce((product, value) => product * value, 1),
};

/** Join the confidences of a word's tokens. */
export function aggregate(values, how) {
  return JOINED[how](values);
}
