// Numbers to places: scales, ticks, the Pareto front, points of one place side by side.

const LOG_FROM_RATIO = 8; // a smaller spread is easier to read on a linear axis
const LIMIT_IN_MEDIANS = 3; // a failed control must not flatten all the rest

const CHARACTER = 7; // pixels, in labels of ticks

const number = (value) => String(Number(value.toPrecision(3)));

function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

function linearTicks(low, high, count) {
  const step = niceStep(high - low || Math.abs(high) || 1, count);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    ticks.push(Number((n * step).toPrecision(12)));
  }
  return ticks;
}

// Powers of ten times one of the factors.
function ticksOf(factors, low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    ticks.push(...factors.map((one) => one * 10 ** power));
  }
  return ticks.filter((one) => one >= low && one <= high);
}

// As many ticks as have room: a label needs some pixels for each of its characters.
function logTicks(low, high, scale) {
  const decades = Math.log10(high / low);
  const all = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  const choices = all.slice(decades < 1 ? 0 : decades < 3 ? 1 : 3);
  const half = (tick) => (CHARACTER * (number(tick).length + 1)) / 2;
  const fit = (ticks) =>
    ticks.every((one, n) => {
      const before = ticks[n - 1];
      return !n || scale(one) - scale(before) >= half(one) + half(before);
    });
  const made = choices.map((factors) => ticksOf(factors, low, high));
  return made.find(fit) ?? made.at(-1);
}

// A scale from values to pixels, with a margin (a share of the values) on both sides and
// ticks no closer than ``apart`` pixels.
function makeScale(values, from, to, { logarithmic, margin, apart }) {
  const place = logarithmic ? Math.log : (value) => value;
  let [low, high] = [Math.min(...values), Math.max(...values)].map(place);
  const span = high - low || (logarithmic ? 0.2 : Math.abs(high) * 0.2 || 1);
  low -= margin * span;
  high += margin * span;
  const back = logarithmic ? Math.exp : (value) => value;
  const count = Math.max(2, Math.min(8, Math.floor(Math.abs(to - from) / apart)));
  const ends = [back(low), back(high)];
  const scale = (value) => from + ((place(value) - low) / (high - low)) * (to - from);
  scale.ticks = logarithmic ? logTicks(...ends, scale) : linearTicks(...ends, count);
  return scale;
}

function upperLimit(points, whole) {
  const rates = points.map((one) => one.y).sort((a, b) => a - b);
  const highest = 1.05 * Math.max(...points.map((one) => Math.max(one.y, one.high ?? 0)));
  const cut = LIMIT_IN_MEDIANS * rates[Math.floor(rates.length / 2)];
  return (whole ? highest : Math.min(highest, cut)) || 1;
}

// The points that no other one beats, less being better in both.
function paretoFront(points) {
  const front = [];
  for (const one of [...points].sort((a, b) => a.x - b.x || a.y - b.y)) {
    const last = front.at(-1);
    if (!last || one.y < last.y || (one.x === last.x && one.y === last.y)) {
      front.push(one);
    }
  }
  return front;
}

// Move points of nearly the same place apart, so that all intervals can be seen.
function setSideBySide(points, box, { apart, widest, edge }) {
  const order = [...points].sort((a, b) => a.px - b.px);
  let cluster = [];
  const spread = () => {
    const mean = cluster.reduce((sum, one) => sum + one.px, 0) / cluster.length;
    const step = Math.min(apart, widest / cluster.length);
    const half = (step * (cluster.length - 1)) / 2 + edge;
    const centre = Math.max(box.left + half, Math.min(mean, box.right - half));
    const inside = [...cluster].sort((a, b) => a.series - b.series);
    inside.forEach((one, rank) => {
      one.moved = centre + step * (rank - (cluster.length - 1) / 2);
    });
  };
  for (const one of order) {
    if (cluster.length && one.px - cluster.at(-1).px >= apart) {
      spread();
      cluster = [];
    }
    cluster.push(one);
  }
  if (cluster.length) spread();
}
