// Put the picture together; without this script the tables and still pictures remain.

// The models on the Pareto front in a table: what there is to choose from.
function frontTable(data, drawn, state) {
  const box = document.getElementById("front");
  const { front, across, upwards } = drawn;
  box.hidden = !state.front || !front.length;
  const ends = (one) =>
    one.low === null ? "" : ` [${one.low.toFixed(1)}, ${one.high.toFixed(1)}]`;
  // What the reader chose, then all else that one may have to pay.
  const costs = [across, ...data.across.filter((axis) => axis !== across)];
  const shown = (value) => (value === null ? "-" : number(value));
  const cells = (one) => [
    element("td", {}, icon(data.series[one.series]), ` ${one.name}`),
    element("td", {}, one.size),
    element("td", {}, `${one.y.toFixed(1)}${ends(one)}`),
    element("td", {}, String(one.seeds.length)),
    ...costs.map((axis) => element("td", {}, shown(axis.values[one.index]))),
  ];
  const heads = ["model", "layers", upwards.label, "seeds"];
  heads.push(...costs.map((axis) => axis.label));
  const head = element("tr", {}, ...heads.map((one) => element("th", {}, one)));
  const lines = front.map((one) => element("tr", {}, ...cells(one)));
  const parts = [element("thead", {}, head), element("tbody", {}, ...lines)];
  box.querySelector(".wide").replaceChildren(element("table", {}, ...parts));
}

function explore(data) {
  const section = document.getElementById("explore");
  const svg = section.querySelector("#chart");
  const state = startState(data);
  const hover = makeHover(svg, section.querySelector("#tip"), data);
  const note = section.querySelector("#missing");
  const caution = section.querySelector("#caution");

  function redraw() {
    const drawn = drawChart(svg, data, state);
    hover(drawn.nodes);
    const count = drawn.missing;
    note.textContent = count
      ? `${count} chosen model${count > 1 ? "s have" : " has"} no value on these axes.`
      : "";
    caution.textContent = drawn.across.caution;
    caution.hidden = !drawn.across.caution;
    frontTable(data, drawn, state);
  }

  function highlight(series) {
    svg.classList.toggle("dimmed", series !== null);
    for (const node of svg.querySelectorAll("[data-series]")) {
      const high = series !== null && series.includes(Number(node.dataset.series));
      node.classList.toggle("high", high);
    }
  }

  section.hidden = false;
  section.querySelector("#axes").append(...axisControls(data, state, redraw));
  section.querySelector("#options").append(...optionControls(data, state, redraw));
  const methods = section.querySelector("#methods");
  methods.append(...legend(data, state, redraw, highlight));
  methods.open = !window.matchMedia("(max-width: 900px)").matches;
  let width = 0;
  new ResizeObserver(() => {
    if (svg.clientWidth === width) return;
    width = svg.clientWidth;
    redraw();
  }).observe(svg);
  redraw();
}

const data = JSON.parse(document.getElementById("data").textContent);
enhanceTables();
if (data.points.length && data.across.length) explore(data);
