// The picture: error rate over what the reader chose, drawn anew at every change.

const MARGIN = { top: 14, right: 16, bottom: 46, left: 46 };
const NARROW = 600; // pixels; in less room points stand closer

// All points that the choices leave, with x, y and the interval.
function visiblePoints(data, state) {
  const across = data.across.find((one) => one.name === state.across);
  const upwards = data.upwards.find((one) => one.name === state.upwards);
  const wanted = data.points
    .map((point, index) => ({
      ...point,
      index,
      x: across.values[index],
      y: upwards.values[index],
      low: upwards.intervals[index]?.[0] ?? null,
      high: upwards.intervals[index]?.[1] ?? null,
    }))
    .filter(
      (one) =>
        state.series.has(one.series) &&
        state.shapes.has(one.shape) &&
        (one.mode === null || state.modes.has(one.mode)) &&
        one.seeds.length >= state.seeds,
    );
  const known = wanted.filter((one) => one.x !== null && one.y !== null);
  const positive = known.map((one) => one.x).filter((x) => x > 0);
  const auto = Math.max(...positive) > LOG_FROM_RATIO * Math.min(...positive);
  const logarithmic = positive.length > 0 && (state.log === null ? auto : state.log);
  const points = logarithmic ? known.filter((one) => one.x > 0) : known;
  return { points, logarithmic, missing: wanted.length - points.length, across, upwards };
}

function drawAxes(svg, xScale, yScale, box, labels) {
  const { left, right, top, bottom } = box;
  for (const tick of yScale.ticks) {
    const y = yScale(tick);
    svg.append(drawing("path", { d: `M${left} ${y}H${right}`, class: "grid" }));
    const at = { x: left - 8, y: y + 4, class: "tick end" };
    svg.append(drawing("text", at, number(tick)));
  }
  for (const tick of xScale.ticks) {
    const x = xScale(tick);
    svg.append(drawing("path", { d: `M${x} ${top}V${bottom}`, class: "grid" }));
    const at = { x, y: bottom + 18, class: "tick middle" };
    svg.append(drawing("text", at, number(tick)));
  }
  const frame = `M${left} ${top}V${bottom}H${right}`;
  svg.append(drawing("path", { d: frame, class: "frame" }));
  const middle = (left + right) / 2;
  const below = { x: middle, y: bottom + 39, class: "axis-name middle" };
  svg.append(drawing("text", below, labels.across));
  const height = (top + bottom) / 2;
  const beside = { transform: `translate(13 ${height}) rotate(-90)` };
  svg.append(drawing("text", { ...beside, class: "axis-name middle" }, labels.upwards));
}

function drawFront(svg, front, box) {
  if (!front.length) return;
  const steps = front.map((one, n) => (n ? `H${one.moved}V${one.py}` : `V${one.py}`));
  const d = `M${front[0].moved} ${box.top}${steps.join("")}H${box.right}`;
  svg.append(drawing("path", { d, class: "front" }));
}

function drawInterval(group, one, yScale, limit) {
  if (one.low === null || one.y > limit) return;
  const [low, high] = [yScale(one.low), yScale(Math.min(one.high, limit))];
  const d = `M${one.moved} ${low}V${high}m-4 0h8M${one.moved - 4} ${low}h8`;
  group.append(drawing("path", { d, class: "interval" }));
}

function spoken(data, one) {
  const facts = data.headers
    .map((header, n) => (one.facts[n] ? `${header}: ${one.facts[n]}` : null))
    .filter(Boolean);
  return `${one.name}, ${one.size} layers. ${facts.join("; ")}`;
}

function drawSeries(svg, data, points, state, yScale, limit) {
  const nodes = [];
  data.series.forEach((series, index) => {
    const own = points.filter((one) => one.series === index);
    if (!own.length) return;
    const group = drawing("g", { "data-series": index });
    colour(group, series);
    if (state.intervals) {
      own.forEach((one) => drawInterval(group, one, yScale, limit));
    }
    if (own.length > 1) {
      const d = own.map((one) => `${one.moved} ${one.py}`).join("L");
      group.append(drawing("path", { d: `M${d}`, class: "line" }));
    }
    for (const one of own) {
      const node = drawing("g", {
        transform: `translate(${one.moved} ${one.py})`,
        class: "point",
        role: "img",
        tabindex: "-1",
        "data-point": one.index,
        "aria-label": spoken(data, one),
      });
      node.append(drawing("circle", { r: 9, class: "ring" }), marker(series));
      group.append(node);
      nodes.push({ node, one });
    }
    svg.append(group);
  });
  return nodes;
}

function drawLabels(svg, data, points, limit, box) {
  const counts = new Map();
  points.forEach((one) => counts.set(one.series, (counts.get(one.series) ?? 0) + 1));
  const text = (one) =>
    one.y > limit ? `${one.y.toFixed(0)} % ↑` : counts.get(one.series) > 1 ? one.mark : "";
  const frame = { x: box.left, y: 0, w: box.right - box.left + MARGIN.right, h: box.bottom };
  for (const { point, text: mark, x, y } of placeLabels(points, text, frame)) {
    const node = drawing("text", { x, y: y + 4, class: "mark middle" }, mark);
    colour(node, data.series[point.series]);
    node.setAttribute("data-series", point.series);
    svg.append(node);
  }
}

// Draw all; returns the points with their nodes and what else is to be said.
function drawChart(svg, data, state) {
  const width = svg.clientWidth || 640;
  const height = Math.max(320, Math.min(560, Math.round(width * 0.66)));
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.setProperty("height", `${height}px`);
  const seen = visiblePoints(data, state);
  const { points, logarithmic, across, upwards } = seen;
  if (!points.length) {
    const at = { x: width / 2, y: height / 2, class: "axis-name middle" };
    svg.append(drawing("text", at, "No model of this choice has a value here."));
    return { ...seen, nodes: [], front: [] };
  }
  const box = {
    left: MARGIN.left,
    right: width - MARGIN.right,
    top: MARGIN.top,
    bottom: height - MARGIN.bottom,
  };
  const limit = upperLimit(points, state.whole);
  const xs = points.map((one) => one.x);
  const ticksAcross = { logarithmic, margin: 0.06, apart: 70 };
  const xScale = makeScale(xs, box.left, box.right, ticksAcross);
  const ticksUpwards = { logarithmic: false, margin: 0, apart: 45 };
  const yScale = makeScale([0, limit], box.bottom, box.top, ticksUpwards);
  for (const one of points) {
    one.px = xScale(one.x);
    one.py = yScale(Math.min(one.y, limit));
  }
  const room = width < NARROW ? { apart: 7, widest: 50 } : { apart: 11, widest: 90 };
  setSideBySide(points, box, { ...room, edge: 9 });
  drawAxes(svg, xScale, yScale, box, { across: across.label, upwards: upwards.label });
  const front = across.front ? paretoFront(points).filter((one) => one.y <= limit) : [];
  if (state.front) drawFront(svg, front, box);
  const nodes = drawSeries(svg, data, points, state, yScale, limit);
  drawLabels(svg, data, points, limit, box);
  return { ...seen, nodes, front };
}
