// Draws a figure that the server made, in the page's colours. A figure that is there already is
// changed in place; of several answers only that to the last request is drawn.

import { request } from "./server.js";

const CONFIG = {
  displaylogo: false,
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

const states = new Map(); // element → {figure, request, plot}

const plotly = new Promise((resolve) => {
  if (window.Plotly) resolve(window.Plotly);
  else addEventListener("DOMContentLoaded", () => resolve(window.Plotly));
});

export async function draw(element, address, { empty = "Nothing to draw yet.", click } = {}) {
  const state = states.get(element) ?? {};
  states.set(element, state);
  state.request?.abort();
  state.request = new AbortController();
  let figure;
  try {
    figure = await (await request(address, { signal: state.request.signal })).json();
  } catch (error) {
    if (error.name !== "AbortError" && !state.figure) showHint(element, error.message);
    return;
  }
  await show(element, figure, { empty, click });
}

export async function show(element, figure, { empty = "Nothing to draw yet.", click } = {}) {
  const Plotly = await plotly;
  const state = states.get(element) ?? {};
  states.set(element, state);
  state.figure = figure;
  const marks = figure.data.some((trace) => (trace.x ?? []).length > 0);
  if (!marks) {
    if (state.plot) Plotly.purge(element);
    state.plot = false;
    showHint(element, figure.layout.meta?.note || empty);
    return;
  }
  if (!state.plot) element.replaceChildren();
  await Plotly.react(element, figure.data, themed(figure.layout), CONFIG);
  if (!state.plot && click) element.on("plotly_click", (event) => click(event.points[0]));
  state.plot = true;
  showCaption(element, figure.layout.meta?.note ?? "");
  element.dataset.drawn = String(Number(element.dataset.drawn ?? 0) + 1);
}

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(name).trim();
  const paint = (axis) => ({ ...axis, gridcolor: token("--grid"), tickcolor: token("--grid") });
  return {
    ...layout,
    title: undefined, // the page has a heading of its own
    margin: { ...layout.margin, r: 14, t: layout.showlegend ? 26 : 10 },
    font: { ...layout.font, color: token("--muted") },
    hoverlabel: { ...layout.hoverlabel, bgcolor: token("--card"), bordercolor: token("--line"),
      font: { ...layout.hoverlabel?.font, color: token("--text") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: token("--muted"), activecolor: token("--text") },
    xaxis: paint(layout.xaxis),
    yaxis: paint(layout.yaxis),
    uirevision: layout.uirevision ?? "kept", // zoom outlives an update
  };
}

function showHint(element, words) {
  const text = document.createElement("p");
  text.className = "hint";
  text.textContent = words;
  element.replaceChildren(text);
  showCaption(element, "");
}

function showCaption(element, words) {
  let line = element.nextElementSibling;
  if (!line?.classList.contains("caption")) {
    if (!words) return;
    line = document.createElement("p");
    line.className = "caption";
    element.after(line);
  }
  line.textContent = words;
}

document.addEventListener("theme", async () => {
  const Plotly = await plotly;
  for (const [element, state] of states) {
    if (state.plot) Plotly.react(element, state.figure.data, themed(state.figure.layout), CONFIG);
  }
});
