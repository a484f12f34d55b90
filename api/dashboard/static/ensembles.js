// The card of ensembles on a study's page: asked for, watched while they are built, deleted.

import { confirmed } from "./confirm.js";
import { paced } from "./pace.js";
import { act, ask, toast } from "./server.js";
import { number } from "./words.js";

const MILLISECONDS = 1000; // between two looks while one is built

const card = document.getElementById("ensembles");
const table = document.getElementById("ensembles-table");
const form = document.getElementById("build");
const told = () => table.querySelector("[data-count]").dataset;

let shown = null;

// Puts a new table in the old one's place; what is unfolded stays so, and the cursor where it is.
function swap(html) {
  if (html === shown) return;
  shown = html;
  const unfolded = [...table.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  const held = document.activeElement?.closest?.("#ensembles-table [data-key]")?.dataset.key;
  table.innerHTML = html; // the server has escaped what people wrote
  const keyed = (key) => table.querySelector(`[data-key="${key}"]`);
  for (const key of unfolded) keyed(key)?.setAttribute("open", "");
  const again = held && keyed(held);
  (again?.querySelector("summary") ?? again)?.focus();
}

// Watches a study's ensembles; `changed` is told when one is over. Returns how to look anew.
export function ensembles(study, changed) {
  const address = `/studies/${study}/ensembles`;

  const look = paced(MILLISECONDS, async () => {
    const before = Number(told().open);
    try {
      swap(await (await ask(address)).text());
    } catch (error) {
      if (error.status) { toast(error.message); return; }
    }
    const { count, open } = told();
    document.querySelector('[data-live="ensembles"]').textContent = number(Number(count));
    document.getElementById("ensembles-fact").hidden = count === "0";
    if (count !== "0") card.hidden = false;
    if (Number(open) < before) changed();
    if (Number(open) && !document.hidden) look();
  });

  document.addEventListener("visibilitychange", () => { if (!document.hidden && !card.hidden) look(); });

  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const says = document.getElementById("build-says");
    const button = form.querySelector("button");
    button.disabled = true;
    says.textContent = "";
    try {
      await act(`/api/v1${address}`, JSON.stringify(asked()));
      await look();
    } catch (error) {
      says.className = "says wrong";
      says.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });

  table.addEventListener("click", async (event) => {
    const id = event.target.closest("[data-delete]")?.dataset.delete;
    if (!id) return;
    document.getElementById("confirm-delete-title").textContent = `Delete ensemble ${id}?`;
    if (!(await confirmed("confirm-delete"))) return;
    try {
      await ask(`/api/v1/ensembles/${id}`, { method: "DELETE" });
      look();
    } catch (error) {
      toast(error.message);
    }
  });

  if (form) {
    form.kind.addEventListener("change", fit);
    fit();
  }
  if (Number(told().open)) look();
  return look;
}

function asked() {
  const entries = [...new FormData(form)].filter(([, value]) => value !== "");
  const numbers = ["size", "trial"];
  return Object.fromEntries(entries.map(([name, value]) => [name, numbers.includes(name) ? Number(value) : value]));
}

// Says what the chosen kind does, and leaves out what makes no difference to it.
function fit() {
  const { summary, fixed } = form.kind.selectedOptions[0].dataset;
  document.getElementById("kind-says").textContent = summary;
  for (const name of ["size", "combine", "trial"]) {
    form[name].disabled = fixed.split(" ").includes(name);
    form[name].parentElement.hidden = form[name].disabled;
  }
}
