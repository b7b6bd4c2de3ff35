// What the reader chooses: axes, series, sizes, modes, seeds, and what is drawn.

function startState(data) {
  const modes = [...new Set(data.points.map((one) => one.mode))].filter(Boolean);
  return {
    across: data.across[0].name,
    upwards: data.upwards[0].name,
    series: startSeries(data),
    shapes: new Set(data.shapes),
    // The two modes answer different questions.
    modes: new Set(modes.includes("streaming") ? ["streaming"] : modes),
    seeds: 1,
    intervals: true,
    front: true,
    whole: false,
    log: null,
  };
}

function startSeries(data) {
  const indices = [...data.series.keys()];
  return new Set(indices.filter((index) => data.series[index].shown));
}

function chooser(title, options, chosen, onChange) {
  const select = element("select");
  for (const [value, text] of options) {
    const option = element("option", { value }, text);
    option.selected = value === String(chosen);
    select.append(option);
  }
  select.addEventListener("change", () => onChange(select.value));
  return element("label", { class: "choose" }, element("span", {}, title), select);
}

function checkbox(text, checked, onChange) {
  const input = element("input", { type: "checkbox" });
  input.checked = checked;
  input.addEventListener("change", () => onChange(input.checked));
  return element("label", { class: "check" }, input, ...[text].flat());
}

function setOf(title, values, chosen, textOf, redraw) {
  const box = element("fieldset", {}, element("legend", {}, title));
  for (const value of values) {
    const change = (on) => {
      chosen[on ? "add" : "delete"](value);
      redraw();
    };
    box.append(checkbox(textOf(value), chosen.has(value), change));
  }
  return box;
}

function button(text, onClick) {
  const made = element("button", { type: "button" }, text);
  made.addEventListener("click", onClick);
  return made;
}

// The axes, above the picture.
function axisControls(data, state, redraw) {
  const set = (name, convert = (value) => value) => (value) => {
    state[name] = convert(value);
    redraw();
  };
  const names = (axes) => axes.map((one) => [one.name, one.label]);
  const scales = [["auto", "automatic"], ["log", "logarithmic"], ["linear", "linear"]];
  const scale = (value) => (value === "auto" ? null : value === "log");
  const across = chooser("horizontal axis", names(data.across), state.across, set("across"));
  across.querySelector("select").id = "across";
  const made = [across];
  if (data.upwards.length > 1) {
    made.push(chooser("vertical axis", names(data.upwards), state.upwards, set("upwards")));
  }
  made.push(chooser("scale", scales, "auto", set("log", scale)));
  const most = Math.max(...data.points.map((one) => one.seeds.length));
  if (most > 1) {
    const counts = [...Array(most).keys()].map((n) => [
      String(n + 1),
      n ? `${n + 1} or more` : "any number",
    ]);
    made.push(chooser("seeds", counts, state.seeds, set("seeds", Number)));
  }
  return made;
}

// What is drawn, and which sizes and modes.
function optionControls(data, state, redraw) {
  const drawn = element("fieldset", {}, element("legend", {}, "show"));
  const kinds = [
    ["intervals", "95 % intervals"],
    ["front", "Pareto front"],
    ["whole", "all of the error axis"],
  ];
  for (const [name, text] of kinds) {
    const change = (on) => {
      state[name] = on;
      redraw();
    };
    drawn.append(checkbox(text, state[name], change));
  }
  const made = [drawn];
  if (data.shapes.length > 1) {
    const text = (one) => one;
    made.push(setOf("sizes (layers)", data.shapes, state.shapes, text, redraw));
  }
  const modes = [...new Set(data.points.map((one) => one.mode))].filter(Boolean);
  if (modes.length > 1) {
    made.push(setOf("modes", modes, state.modes, (one) => one, redraw));
  }
  return made;
}

// The legend: one box a method, which also stands out while it is pointed at.
function legend(data, state, redraw, highlight) {
  const list = element("div", { class: "list" });
  // Both modes of a training have one name.
  const names = [...new Set(data.series.map((series) => series.name))];
  const boxes = names.map((name) => {
    const indices = [...data.series.keys()].filter((n) => data.series[n].name === name);
    const change = (on) => {
      indices.forEach((index) => state.series[on ? "add" : "delete"](index));
      redraw();
    };
    const series = data.series[indices[0]];
    const seeds = element("small", {}, series.seeds);
    const text = [icon(series), element("span", {}, name, " ", seeds)];
    const made = checkbox(text, state.series.has(indices[0]), change);
    made.addEventListener("pointerenter", () => highlight(indices));
    made.addEventListener("pointerleave", () => highlight(null));
    list.append(made);
    return { input: made.querySelector("input"), indices };
  });
  const choose = (chosen) => () => {
    state.series.clear();
    for (const { input, indices } of boxes) {
      input.checked = chosen.has(indices[0]);
      if (input.checked) indices.forEach((index) => state.series.add(index));
    }
    redraw();
  };
  const all = new Set(data.series.keys());
  const buttons = element("div", { class: "buttons" });
  const some = startSeries(data);
  if (some.size < all.size) buttons.append(button("main rivals", choose(some)));
  buttons.append(button("all", choose(all)), button("none", choose(new Set())));
  return [buttons, list];
}
