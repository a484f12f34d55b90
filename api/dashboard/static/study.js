// A study's page. What is shown is what the address says: a control changes the address, and what
// the change touches is drawn anew, on a click as well as on a step back in the history.

import { confirmInDialog } from "./confirm.js";
import { watchEnsembles } from "./ensembles.js";
import { draw } from "./figure.js";
import { duration, number, size } from "./formatting.js";
import { watch } from "./live.js";
import { post, request, showToast } from "./server.js";
import { throttled } from "./throttle.js";
import { showRelativeTimes } from "./times.js";

const main = document.getElementById("main");
const id = main.dataset.study;
const api = `/api/v1/studies/${id}`;
const isOpen = (state) => ["queued", "running", "paused"].includes(state);

// Figures: what each needs to know stands on its element

const figures = [...document.querySelectorAll("[data-figure]")].map((element) => {
  const { figure: name, fields, empty, redrawMilliseconds, slow } = element.dataset;
  const figure = { element, name, empty, fields: new Map(Object.entries(JSON.parse(fields))), slow: slow !== undefined };
  figure.redraw = throttled(Number(redrawMilliseconds), () => drawFigure(figure));
  return figure;
});

// `fields` of a figure maps a part of the page's address to a field of the figure's query.
function drawFigure({ element, name, empty, fields }) {
  const address = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const [key, field] of fields) {
    if (address.get(key)) query.set(field, address.get(key));
  }
  const click = (point) => {
    const trial = point.data.meta ?? point.customdata?.[0];
    if (Number.isInteger(trial)) location.assign(`/studies/${id}/trials/${trial}`);
  };
  return draw(element, `${api}/figures/${name}?${query}`, { empty, click });
}

const redrawAll = (wanted = () => true) =>
  Promise.all(figures.filter(wanted).map((figure) => figure.redraw()));

// Parts of the page that the server renders

let tableRequest = null;

async function refreshTable() {
  const table = document.getElementById("table");
  tableRequest?.abort();
  tableRequest = new AbortController();
  try {
    const answer = await request(`/studies/${id}/table${location.search}`, { signal: tableRequest.signal });
    const focused = document.activeElement?.closest?.("#table th")?.cellIndex;
    table.innerHTML = await answer.text(); // the server has escaped what people wrote
    if (focused !== undefined) table.querySelectorAll("th")[focused]?.querySelector("a")?.focus();
  } catch (error) {
    if (error.name !== "AbortError") showToast(error.message);
  }
}

async function refreshLog() {
  const answer = await request(`/studies/${id}/log`);
  const log = document.getElementById("log");
  log.innerHTML = await answer.text();
  showRelativeTimes(log);
}

async function refreshStages() {
  const list = document.getElementById("stages");
  if (list) list.innerHTML = await (await request(`/studies/${id}/stages`)).text();
}

async function refreshAdvice() {
  document.getElementById("advice").innerHTML = await (await request(`/studies/${id}/advice`)).text();
}

const updateAdvice = throttled(5000, refreshAdvice);
const updateStages = throttled(1500, refreshStages);
const updateTable = throttled(1500, refreshTable);
const updateLog = throttled(1500, refreshLog);
const updateEnsembles = watchEnsembles(id, () => { updateLog(); updateTable(); });

// The address is the state

function changeQuery(changes) {
  const address = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) address.set(name, value); else address.delete(name);
  }
  const query = address.toString();
  navigate(query ? `?${query}` : location.pathname);
}

function navigate(address) {
  const before = new URLSearchParams(location.search);
  history.pushState(null, "", address);
  redrawChanged(before);
}

function redrawChanged(before) {
  const after = new URLSearchParams(location.search);
  const changed = new Set([...before.keys(), ...after.keys()].filter((key) => before.get(key) !== after.get(key)));
  for (const figure of figures) {
    if ([...figure.fields.keys()].some((key) => changed.has(key))) drawFigure(figure);
  }
  if (["sort", "filter", "state", "page"].some((key) => changed.has(key))) refreshTable();
  drawnQuery = location.search;
}

let drawnQuery = location.search;

addEventListener("popstate", () => {
  const address = new URLSearchParams(location.search);
  for (const control of document.querySelectorAll("[data-view]")) {
    const value = address.get(control.dataset.view) ?? "";
    if (control.type === "checkbox") control.checked = value.includes(control.value);
    else control.value = [...control.options].some((o) => o.value === value) ? value : control.dataset.first;
  }
  const filter = document.getElementById("filter");
  filter.filter.value = address.get("filter") ?? "";
  filter.state.value = address.get("state") ?? "";
  redrawChanged(new URLSearchParams(drawnQuery));
});

for (const control of document.querySelectorAll("select[data-view]")) {
  control.dataset.first = control.options[control.selectedIndex]?.value ?? "";
}

document.addEventListener("change", (event) => {
  const view = event.target.dataset.view;
  if (!view) return;
  if (event.target.type !== "checkbox") { changeQuery({ [view]: event.target.value }); return; }
  const boxes = [...document.querySelectorAll(`[data-view="${view}"]`)];
  changeQuery({ [view]: boxes.filter((box) => box.checked).map((box) => box.value).join("") });
});

document.getElementById("table").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-nav]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const address = new URL(link.href);
  document.getElementById("filter").filter.value = address.searchParams.get("filter") ?? "";
  document.getElementById("filter").state.value = address.searchParams.get("state") ?? "";
  navigate(address.search || location.pathname);
});

const filter = document.getElementById("filter");
let typing;
const applyFilter = () => changeQuery({ filter: filter.filter.value.trim(), state: filter.state.value, page: "" });
filter.addEventListener("submit", (event) => { event.preventDefault(); applyFilter(); });
filter.addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(applyFilter, event.target === filter.state ? 0 : 350);
});

// Actions

async function performAction(verb) {
  if (verb === "stop" && !(await confirmInDialog("confirm"))) return;
  const buttons = document.querySelectorAll("[data-act]");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    showStudy(await post(`${api}:${verb}`));
    updateLog();
    updateTable();
  } catch (error) {
    showToast(error.message);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

document.getElementById("actions").addEventListener("click", (event) => {
  const verb = event.target.dataset?.act;
  if (verb) performAction(verb);
});

const extension = document.getElementById("extend");
extension.addEventListener("submit", async (event) => {
  event.preventDefault();
  const more = { [extension.what.value]: Number(extension.count.value) };
  try {
    await post(`${api}:extend`, JSON.stringify(more));
    location.reload();
  } catch (error) {
    showToast(error.message);
  }
});

// What the server sends as it happens

const liveElement = (name) => document.querySelector(`[data-live="${name}"]`);
const setText = (name, text) => {
  const element = liveElement(name);
  if (element.textContent !== text) element.textContent = text;
};

function showStudy(study) {
  const { counts } = study;
  setText("best_value", number(study.best_value));
  if (study.best_trial !== null) {
    const link = document.createElement("a");
    link.href = `/studies/${id}/trials/${study.best_trial}`;
    link.textContent = `trial ${study.best_trial}`;
    liveElement("best_trial").replaceChildren(link);
  }
  setText("ended", number(counts.complete + counts.pruned + counts.failed));
  setText("epochs_done", number(study.epochs_done));
  setText("epochs_planned", number(study.epochs_planned));
  liveElement("progress").max = Math.max(study.epochs_planned, 1);
  liveElement("progress").value = study.epochs_done;
  for (const name of ["running", "pruned", "failed"]) setText(name, number(counts[name]));
  setText("checkpoints", number(study.checkpoints));
  setText("checkpoint_bytes", size(study.checkpoint_bytes));
  const card = document.getElementById("ensembles");
  if (study.best_trial !== null && card.dataset.canBuild === "yes") card.hidden = false;
  if (number(study.ensembles) !== liveElement("ensembles").textContent) updateEnsembles();
  const start = new Date(study.started_at ?? study.created_at);
  setText("time_label", study.finished_at ? "Took" : "Time left");
  setText("time", study.finished_at ? duration((new Date(study.finished_at) - start) / 1000) : duration(study.eta_seconds));
  if (study.state !== main.dataset.state) {
    main.dataset.state = study.state;
    const badge = document.createElement("span");
    badge.className = `badge ${study.state}`;
    badge.textContent = study.state;
    liveElement("badge").replaceChildren(badge);
    updateLog();
  }
  if (String(study.stage) !== main.dataset.stage) {
    main.dataset.stage = study.stage;
    updateStages();
    updateLog();
  }
  const cut = study.end && study.end.reason !== "finished";
  liveElement("end").hidden = !cut;
  setText("end", cut ? `Ended by ${study.end.reason}: ${study.end.message}` : "");
  extension.hidden = !["complete", "stopped"].includes(study.state);
  document.querySelector('[data-act="pause"]').hidden = !["queued", "running"].includes(study.state);
  document.querySelector('[data-act="resume"]').hidden = study.state !== "paused";
  document.querySelector('[data-act="stop"]').hidden = !isOpen(study.state);
}

const connection = watch(`${api}/live`, {
  study({ study, trials }) {
    showStudy(study);
    if (trials.length) {
      redrawAll();
      updateTable();
      updateAdvice();
    }
    if (trials.some((trial) => trial.state === "failed" || trial.attempt > 1)) updateLog();
    if (!isOpen(study.state)) { redrawAll(); updateTable(); updateStages(); updateAdvice(); }
  },
  gone() {
    connection.end("deleted");
    showToast("This study was deleted.");
  },
}, main.dataset.since);

// Slow figures and the advice are requested when the rest is there.
await redrawAll((figure) => !figure.slow);
redrawAll((figure) => figure.slow);
updateAdvice();
