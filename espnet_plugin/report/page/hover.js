// The facts of the point that is pointed at, touched, or reached by the arrow keys.

const REACH = 26; // pixels from the pointer to a point

function factsOf(data, series, one) {
  const icons = icon(series);
  const name = `${one.name}, ${one.size} layers`;
  const title = element("strong", {}, icons, name);
  const list = element("dl");
  const add = (what, value) => {
    list.append(element("dt", {}, what), element("dd", {}, value));
  };
  add("seeds", one.seeds.join(", "));
  data.headers.forEach((header, n) => {
    if (one.facts[n]) add(header, one.facts[n]);
  });
  return [title, list];
}

function makeHover(svg, tip, data) {
  let nodes = [];
  let current = null;

  function hide() {
    tip.hidden = true;
    nodes.forEach(({ node }) => node.classList.remove("current"));
  }

  function place(one) {
    const narrow = window.matchMedia("(max-width: 700px)").matches;
    tip.classList.toggle("docked", narrow);
    if (narrow) return;
    const box = svg.parentElement.getBoundingClientRect();
    const right = one.moved + 16 + tip.offsetWidth <= box.width;
    const x = right ? one.moved + 16 : Math.max(0, one.moved - 16 - tip.offsetWidth);
    const middle = one.py - tip.offsetHeight / 3;
    const y = Math.max(0, Math.min(middle, box.height - tip.offsetHeight));
    tip.style.setProperty("left", `${x}px`);
    tip.style.setProperty("top", `${y}px`);
  }

  function show(entry) {
    hide();
    current = entry.one.index;
    entry.node.classList.add("current");
    tip.replaceChildren(...factsOf(data, data.series[entry.one.series], entry.one));
    tip.hidden = false;
    place(entry.one);
    nodes.forEach(({ node }) => node.setAttribute("tabindex", "-1"));
    entry.node.setAttribute("tabindex", "0");
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const far = (entry) => Math.hypot(entry.one.moved - x, entry.one.py - y);
    const best = nodes.reduce((a, b) => (a && far(a) <= far(b) ? a : b), null);
    return best && far(best) <= REACH ? best : null;
  }

  // Left and right by what is across, up and down by the error rate.
  const ORDERS = {
    ArrowRight: [(one) => one.moved, 1],
    ArrowLeft: [(one) => one.moved, -1],
    ArrowDown: [(one) => one.py, 1],
    ArrowUp: [(one) => one.py, -1],
    Home: null,
    End: null,
  };

  function next(key) {
    const [by, step] = ORDERS[key] ?? [(one) => one.moved, 0];
    const order = [...nodes].sort((a, b) => by(a.one) - by(b.one) || a.one.index - b.one.index);
    if (key === "Home") return order[0];
    if (key === "End") return order.at(-1);
    const from = order.findIndex((entry) => entry.one.index === current);
    return order[Math.max(0, Math.min(order.length - 1, from + step))];
  }

  svg.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const best = nearest(event);
    if (best) show(best);
    else if (!svg.contains(document.activeElement)) hide();
  });
  svg.addEventListener("pointerleave", () => {
    if (!svg.contains(document.activeElement)) hide();
  });
  svg.addEventListener("click", (event) => {
    const best = nearest(event);
    if (best) best.node.focus({ preventScroll: true });
    else hide();
  });
  svg.addEventListener("focusin", (event) => {
    const entry = nodes.find(({ node }) => node === event.target);
    if (entry) show(entry);
  });
  svg.addEventListener("focusout", hide);
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!(event.key in ORDERS) || !nodes.length) return;
    event.preventDefault();
    next(event.key).node.focus();
  });

  return (drawn) => {
    nodes = drawn;
    tip.hidden = true;
    const kept = nodes.find(({ one }) => one.index === current) ?? nodes[0];
    if (kept) {
      current = kept.one.index;
      kept.node.setAttribute("tabindex", "0");
    }
  };
}
