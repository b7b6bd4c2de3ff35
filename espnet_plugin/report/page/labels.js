// Short texts beside the points, each where it hides least.

const LABEL_SIZE = 11;
const DIRECTIONS = [[1, -0.7], [-1, -0.7], [1, 0.7], [-1, 0.7], [0, -1.3], [0, 1.3]];

function overlap(box, other) {
  const wide = Math.min(box.x + box.w, other.x + other.w) - Math.max(box.x, other.x);
  const high = Math.min(box.y + box.h, other.y + other.h) - Math.max(box.y, other.y);
  return Math.max(wide, 0) * Math.max(high, 0);
}

function beyond(box, frame) {
  return box.w * box.h - overlap(box, frame);
}

// Return {point, text, x, y}: the middle of each text.
function placeLabels(points, textOf, frame) {
  const taken = points.map((one) => ({ x: one.moved - 5, y: one.py - 5, w: 10, h: 10 }));
  const placed = [];
  for (const point of points) {
    const text = textOf(point);
    if (!text) continue;
    const w = 0.62 * LABEL_SIZE * text.length;
    let best = null;
    for (const distance of [11, 17]) {
      for (const [dx, dy] of DIRECTIONS) {
        const x = point.moved + dx * (distance + w / 2 - 4);
        const y = point.py + dy * distance;
        const box = { x: x - w / 2, y: y - LABEL_SIZE / 2, w, h: LABEL_SIZE };
        const cost = taken.reduce((sum, one) => sum + overlap(box, one), 0);
        const whole = cost + beyond(box, frame);
        if (best === null || whole < best.whole) best = { whole, box, x, y };
      }
    }
    taken.push(best.box);
    placed.push({ point, text, x: best.x, y: best.y });
  }
  return placed;
}
