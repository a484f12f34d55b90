// A trial's page: its curves, drawn anew as epochs come in; the page itself anew when it ends; its
// checkpoints, pinned and unpinned.

import { draw } from "./figure.js";
import { watch } from "./live.js";
import { post, showToast } from "./server.js";
import { throttled } from "./throttle.js";
import "./times.js";

const main = document.getElementById("main");
const { study, trial } = main.dataset;

const drawAll = () => Promise.all([...document.querySelectorAll("[data-panel]")].map((element) => {
  const query = new URLSearchParams({ trial, panel: element.dataset.panel });
  return draw(element, `/api/v1/studies/${study}/figures/trial?${query}`);
}));
const redraw = throttled(900, drawAll);

document.getElementById("checkpoints")?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-checkpoint]");
  if (!button) return;
  const tag = button.closest("tr").querySelector("[data-pinned]");
  button.disabled = true;
  try {
    const verb = tag.hidden ? "pin" : "unpin";
    const { pinned } = await post(`/api/v1/checkpoints/${button.dataset.checkpoint}:${verb}`);
    tag.hidden = !pinned;
    button.firstChild.textContent = pinned ? "Unpin" : "Pin";
  } catch (error) {
    showToast(error.message);
  } finally {
    button.disabled = false;
  }
});

redraw();
if (["queued", "running"].includes(main.dataset.state)) {
  watch(`/api/v1/studies/${study}/live`, {
    study({ trials }) {
      const mine = trials.find(({ number }) => number === Number(trial));
      if (!mine) return;
      const first = main.dataset.panels === "" && mine.epochs_done > 0;
      if (mine.state !== main.dataset.state || first) location.reload();
      else if (mine.epochs_done !== Number(main.dataset.epochs)) {
        main.dataset.epochs = mine.epochs_done;
        redraw();
      }
    },
    gone() { location.assign("/studies"); },
  }, main.dataset.since);
}
