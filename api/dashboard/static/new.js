// The form: each pause in typing asks the server what the spec would cost, or what is wrong with it.

import { show } from "./figure.js";
import { number } from "./formatting.js";
import { post, request, showToast } from "./server.js";

const spec = document.getElementById("spec");
const status = document.getElementById("says");
const submit = document.getElementById("submit");
const part = (id) => document.getElementById(id);
let previewRequest = null;

async function previewSpec() {
  previewRequest?.abort();
  previewRequest = new AbortController();
  try {
    const answer = await request("/api/v1/studies:preview", {
      method: "POST",
      headers: { "Content-Type": "application/yaml" },
      body: spec.value,
      signal: previewRequest.signal,
    });
    showPlan(await answer.json());
  } catch (error) {
    if (error.name !== "AbortError") showErrors(error);
  }
}

function showPlan(preview) {
  part("errors").hidden = true;
  part("plan").hidden = false;
  submit.disabled = false;
  status.textContent = "Ready to submit.";
  status.className = "hint";
  const trials = preview.stages.reduce((sum, stage) => sum + stage.trials, 0);
  const stages = preview.stages.map((stage) => `${number(stage.trials)} × ${number(stage.epochs)} epochs`);
  fillTable(part("cost"), [
    ["trials", number(trials)],
    [preview.stages.length > 1 ? "stages" : "each", stages.join(", then ")],
    ["epochs in all", number(preview.epochs_planned)],
    ["objective", [preview.spec.objective].flat().map((one) => `${one.direction} ${one.metric}`).join(", ")],
  ]);
  part("warnings").hidden = preview.warnings.length === 0;
  part("warnings").replaceChildren(...preview.warnings.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  }));
  fillTable(part("parameters"), preview.parameters.map((one) => [one.name, describe(one.distribution)]));
  const curve = preview.schedule;
  part("schedule").hidden = !curve;
  if (curve) drawSchedule(curve);
}

function showErrors(error) {
  const list = part("errors").querySelector("ul");
  part("errors").hidden = false;
  part("plan").hidden = true;
  part("schedule").hidden = true;
  submit.disabled = Boolean(error.status);
  status.textContent = error.status ? "Not a valid study yet." : error.message;
  status.className = "hint wrong";
  const fields = error.fields?.length ? error.fields : [{ path: "", message: error.message }];
  list.replaceChildren(...fields.map(({ path, message }) => {
    const item = document.createElement("li");
    if (path) {
      const jump = document.createElement("button");
      jump.type = "button";
      jump.textContent = path;
      jump.addEventListener("click", () => focusField(path));
      item.append(jump, " ");
    }
    item.append(message);
    return item;
  }));
}

// Puts the cursor on the line that a field's path ends at, as far as the path is written there.
function focusField(path) {
  let at = 0;
  for (const name of path.replace(/\[[^\]]*\]/g, "").split(".")) {
    const next = spec.value.slice(at).search(new RegExp(`(^|[\\s{,])${name.replace(/\W/g, "\\$&")}\\s*:`, "m"));
    if (next < 0) break;
    at += next + 1;
  }
  spec.focus();
  const end = spec.value.indexOf("\n", at);
  spec.setSelectionRange(at, end < 0 ? spec.value.length : end);
}

function fillTable(table, rows) {
  table.replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const cell = document.createElement("td");
    head.scope = "row";
    head.textContent = name;
    cell.className = "n";
    cell.textContent = value;
    row.append(head, cell);
    return row;
  }));
}

function describe(distribution) {
  const [[kind, value]] = Object.entries(distribution);
  if (kind === "choice") return value.map((one) => (typeof one === "object" ? JSON.stringify(one) : one)).join(" · ");
  return `${number(value[0])} … ${number(value[1])}${kind.includes("log") ? " log" : ""}`;
}

function drawSchedule({ epochs, lr }) {
  const style = { type: "scatter", mode: "lines", x: epochs, y: lr, line: { color: "#4c7fd9", width: 2 },
    hovertemplate: "%{y:.4g} after %{x:.2f} epochs<extra></extra>" };
  const axis = (title) => ({ title: { text: title, standoff: 8 }, zeroline: false, ticks: "outside", ticklen: 4 });
  show(part("schedule").querySelector(".figure"), {
    data: [style],
    layout: { showlegend: false, margin: { l: 64, b: 46 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12 }, xaxis: axis("epochs"), yaxis: { ...axis(""), rangemode: "tozero" } },
  });
}

let typingTimer;
spec.addEventListener("input", () => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(previewSpec, 250);
});
document.addEventListener("click", (event) => {
  const example = event.target.dataset?.example;
  if (example === undefined) return;
  spec.value = example;
  previewSpec();
});
part("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  submit.disabled = true;
  try {
    const study = await post("/api/v1/studies", spec.value, "application/yaml");
    location.assign(`/studies/${study.id}`);
  } catch (error) {
    if (error.status) showErrors(error); else showToast(error.message);
    submit.disabled = false;
  }
});
previewSpec();
