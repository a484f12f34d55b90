// The card of ensembles on a study's page: requests them, follows their building, deletes them.

import { confirmInDialog } from "./confirm.js";
import { number } from "./formatting.js";
import { post, request, showToast } from "./server.js";
import { throttled } from "./throttle.js";

const MILLISECONDS = 1000; // between two looks while one is built

const card = document.getElementById("ensembles");
const table = document.getElementById("ensembles-table");
const form = document.getElementById("build");
const counts = () => table.querySelector("[data-count]").dataset;

let currentHtml = null;

// Puts a new table in the old one's place; what is unfolded stays so, and the cursor where it is.
function replaceTable(html) {
  if (html === currentHtml) return;
  currentHtml = html;
  const unfolded = [...table.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  const focusedKey = document.activeElement?.closest?.("#ensembles-table [data-key]")?.dataset.key;
  table.innerHTML = html; // the server has escaped what people wrote
  const byKey = (key) => table.querySelector(`[data-key="${key}"]`);
  for (const key of unfolded) byKey(key)?.setAttribute("open", "");
  const focusable = focusedKey && byKey(focusedKey);
  (focusable?.querySelector("summary") ?? focusable)?.focus();
}

// Watches a study's ensembles; `changed` is called when one has ended. Returns a function that
// reads the table anew.
export function watchEnsembles(study, changed) {
  const address = `/studies/${study}/ensembles`;

  const refresh = throttled(MILLISECONDS, async () => {
    const before = Number(counts().open);
    try {
      replaceTable(await (await request(address)).text());
    } catch (error) {
      if (error.status) { showToast(error.message); return; }
    }
    const { count, open, worse, score } = counts();
    document.querySelector('[data-live="ensembles"]').textContent = number(Number(count));
    document.querySelector('[data-live="worse_ensembles"]').textContent =
      Number(worse) ? `${number(Number(worse))} worse by ${score}` : "";
    document.getElementById("ensembles-fact").hidden = count === "0";
    if (count !== "0") card.hidden = false;
    if (Number(open) < before) changed();
    if (Number(open) && !document.hidden) refresh();
  });

  document.addEventListener("visibilitychange", () => { if (!document.hidden && !card.hidden) refresh(); });

  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const status = document.getElementById("build-says");
    const button = form.querySelector("button");
    button.disabled = true;
    status.textContent = "";
    try {
      await post(`/api/v1${address}`, JSON.stringify(formValues()));
      await refresh();
    } catch (error) {
      status.className = "says wrong";
      status.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });

  table.addEventListener("click", async (event) => {
    const id = event.target.closest("[data-delete]")?.dataset.delete;
    if (!id) return;
    document.getElementById("confirm-delete-title").textContent = `Delete ensemble ${id}?`;
    if (!(await confirmInDialog("confirm-delete"))) return;
    try {
      await request(`/api/v1/ensembles/${id}`, { method: "DELETE" });
      refresh();
    } catch (error) {
      showToast(error.message);
    }
  });

  if (form) {
    form.kind.addEventListener("change", showKind);
    showKind();
  }
  if (Number(counts().open)) refresh();
  return refresh;
}

function formValues() {
  const entries = [...new FormData(form)].filter(([, value]) => value !== "");
  const numbers = ["size", "trial"];
  return Object.fromEntries(entries.map(([name, value]) => [name, numbers.includes(name) ? Number(value) : value]));
}

// Says what the chosen kind does, and leaves out what makes no difference to it.
function showKind() {
  const { summary, ignored } = form.kind.selectedOptions[0].dataset;
  document.getElementById("kind-says").textContent = summary;
  for (const name of ["size", "combine", "trial"]) {
    form[name].disabled = ignored.split(" ").includes(name);
    form[name].parentElement.hidden = form[name].disabled;
  }
}
