// A study's page. What is shown is what the address says: a control changes the address, and what
// the change touches is drawn anew, on a click as well as on a step back in the history.

import { confirmed } from "./confirm.js";
import { ensembles } from "./ensembles.js";
import { draw } from "./figure.js";
import { watch } from "./live.js";
import { paced } from "./pace.js";
import { act, ask, toast } from "./server.js";
import { sayTimes } from "./times.js";
import { duration, number, size } from "./words.js";

const main = document.getElementById("main");
const id = main.dataset.study;
const api = `/api/v1/studies/${id}`;
const open = (state) => ["queued", "running", "paused"].includes(state);

// Figures

const everyFigure = {
  curves: { uses: ["metric", "top", "log"], empty: "Curves appear as soon as a trial ends its first epoch." },
  scatter: { uses: ["x", "y"], empty: "Trials appear here as soon as they have a value." },
  history: { uses: ["hlog"], empty: "The best value appears with the first trial." },
  stages: { uses: ["box"], empty: "Boxes appear with the first stage." },
  importances: { uses: ["target", "evaluator"], empty: "Shares appear with some more trials." },
  front: { uses: [], empty: "The front appears with the first complete trial." },
};
const figures = Object.fromEntries(Object.entries(everyFigure)
  .filter(([name]) => document.querySelector(`[data-figure="${name}"]`)));
const called = { hlog: "log", box: "x" };

function drawFigure(name) {
  const asked = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const key of figures[name].uses) {
    if (asked.get(key)) query.set(called[key] ?? key, asked.get(key));
  }
  const element = document.querySelector(`[data-figure="${name}"]`);
  const click = (point) => {
    const trial = point.data.meta ?? point.customdata?.[0];
    if (Number.isInteger(trial)) location.assign(`/studies/${id}/trials/${trial}`);
  };
  return draw(element, `${api}/figures/${name}?${query}`, { empty: figures[name].empty, click });
}

const pace = { curves: 900, history: 900, importances: 5000 };
const redraw = Object.fromEntries(Object.keys(figures).map((name) =>
  [name, paced(pace[name] ?? 2000, () => drawFigure(name))]));

// Table

let reading = null;

async function readTable() {
  const table = document.getElementById("table");
  reading?.abort();
  reading = new AbortController();
  try {
    const answer = await ask(`/studies/${id}/table${location.search}`, { signal: reading.signal });
    const held = document.activeElement?.closest?.("#table th")?.cellIndex;
    table.innerHTML = await answer.text(); // the server has escaped what people wrote
    if (held !== undefined) table.querySelectorAll("th")[held]?.querySelector("a")?.focus();
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message);
  }
}

async function readLog() {
  const answer = await ask(`/studies/${id}/log`);
  const log = document.getElementById("log");
  log.innerHTML = await answer.text();
  sayTimes(log);
}

async function readStages() {
  const list = document.getElementById("stages");
  if (list) list.innerHTML = await (await ask(`/studies/${id}/stages`)).text();
}

async function readAdvice() {
  document.getElementById("advice").innerHTML = await (await ask(`/studies/${id}/advice`)).text();
}

const readvise = paced(5000, readAdvice);
const restage = paced(1500, readStages);
const reread = paced(1500, readTable);
const relog = paced(1500, readLog);
const reassemble = ensembles(id, () => { relog(); reread(); });

// The address is the state

function go(changes) {
  const asked = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) asked.set(name, value); else asked.delete(name);
  }
  const query = asked.toString();
  visit(query ? `?${query}` : location.pathname);
}

function visit(address) {
  const before = new URLSearchParams(location.search);
  history.pushState(null, "", address);
  show(before);
}

function show(before) {
  const after = new URLSearchParams(location.search);
  const changed = new Set([...before.keys(), ...after.keys()].filter((key) => before.get(key) !== after.get(key)));
  for (const [name, figure] of Object.entries(figures)) {
    if (figure.uses.some((key) => changed.has(key))) drawFigure(name);
  }
  if (["sort", "filter", "state", "page"].some((key) => changed.has(key))) readTable();
  shown = location.search;
}

let shown = location.search;

addEventListener("popstate", () => {
  const asked = new URLSearchParams(location.search);
  for (const control of document.querySelectorAll("[data-view]")) {
    const value = asked.get(control.dataset.view) ?? "";
    if (control.type === "checkbox") control.checked = value.includes(control.value);
    else control.value = [...control.options].some((o) => o.value === value) ? value : control.dataset.first;
  }
  const filter = document.getElementById("filter");
  filter.filter.value = asked.get("filter") ?? "";
  filter.state.value = asked.get("state") ?? "";
  show(new URLSearchParams(shown));
});

for (const control of document.querySelectorAll("select[data-view]")) {
  control.dataset.first = control.options[control.selectedIndex].value;
}

document.addEventListener("change", (event) => {
  const view = event.target.dataset.view;
  if (!view) return;
  if (event.target.type !== "checkbox") { go({ [view]: event.target.value }); return; }
  const boxes = [...document.querySelectorAll(`[data-view="${view}"]`)];
  go({ [view]: boxes.filter((box) => box.checked).map((box) => box.value).join("") });
});

document.getElementById("table").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-nav]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const address = new URL(link.href);
  document.getElementById("filter").filter.value = address.searchParams.get("filter") ?? "";
  document.getElementById("filter").state.value = address.searchParams.get("state") ?? "";
  visit(address.search || location.pathname);
});

const filter = document.getElementById("filter");
let typing;
const applyFilter = () => go({ filter: filter.filter.value.trim(), state: filter.state.value, page: "" });
filter.addEventListener("submit", (event) => { event.preventDefault(); applyFilter(); });
filter.addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(applyFilter, event.target === filter.state ? 0 : 350);
});

// Actions

async function perform(verb) {
  if (verb === "stop" && !(await confirmed("confirm"))) return;
  const buttons = document.querySelectorAll("[data-act]");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    tell(await act(`${api}:${verb}`));
    relog();
    reread();
  } catch (error) {
    toast(error.message);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

document.getElementById("actions").addEventListener("click", (event) => {
  const verb = event.target.dataset?.act;
  if (verb) perform(verb);
});

// What the server tells as it happens

const place = (name) => document.querySelector(`[data-live="${name}"]`);
const put = (name, words) => {
  const element = place(name);
  if (element.textContent !== words) element.textContent = words;
};

function tell(study) {
  const { counts } = study;
  put("best_value", number(study.best_value));
  if (study.best_trial !== null) {
    const link = document.createElement("a");
    link.href = `/studies/${id}/trials/${study.best_trial}`;
    link.textContent = `trial ${study.best_trial}`;
    place("best_trial").replaceChildren(link);
  }
  put("ended", number(counts.complete + counts.pruned + counts.failed));
  put("epochs_done", number(study.epochs_done));
  put("epochs_planned", number(study.epochs_planned));
  place("progress").max = Math.max(study.epochs_planned, 1);
  place("progress").value = study.epochs_done;
  for (const name of ["running", "pruned", "failed"]) put(name, number(counts[name]));
  put("checkpoints", number(study.checkpoints));
  put("checkpoint_bytes", size(study.checkpoint_bytes));
  const card = document.getElementById("ensembles");
  if (study.best_trial !== null && card.dataset.canBuild === "yes") card.hidden = false;
  if (number(study.ensembles) !== place("ensembles").textContent) reassemble();
  const start = new Date(study.started_at ?? study.created_at);
  put("time_label", study.finished_at ? "Took" : "Time left");
  put("time", study.finished_at ? duration((new Date(study.finished_at) - start) / 1000) : duration(study.eta_seconds));
  if (study.state !== main.dataset.state) {
    main.dataset.state = study.state;
    const badge = document.createElement("span");
    badge.className = `badge ${study.state}`;
    badge.textContent = study.state;
    place("badge").replaceChildren(badge);
    relog();
  }
  if (String(study.stage) !== main.dataset.stage) {
    main.dataset.stage = study.stage;
    restage();
    relog();
  }
  document.querySelector('[data-act="pause"]').hidden = !["queued", "running"].includes(study.state);
  document.querySelector('[data-act="resume"]').hidden = study.state !== "paused";
  document.querySelector('[data-act="stop"]').hidden = !open(study.state);
}

const line = watch(`${api}/live`, {
  study({ study, trials }) {
    tell(study);
    if (trials.length) {
      Object.values(redraw).forEach((run) => run());
      reread();
      readvise();
    }
    if (trials.some((trial) => trial.state === "failed" || trial.attempt > 1)) relog();
    if (!open(study.state)) { Object.values(redraw).forEach((run) => run()); reread(); restage(); readvise(); }
  },
  gone() {
    line.end("deleted");
    toast("This study was deleted.");
  },
}, main.dataset.since);

// What takes the server longest is asked for when the rest is there.
const { importances, ...first } = redraw;
await Promise.all(Object.values(first).map((run) => run()));
importances();
readvise();
