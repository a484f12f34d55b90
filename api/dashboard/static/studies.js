// The list of studies, read anew when one of them moves on.

import { watch } from "./live.js";
import { request } from "./server.js";
import { throttled } from "./throttle.js";
import { showRelativeTimes } from "./times.js";

const rows = document.getElementById("rows");
let first = true;

const refresh = throttled(1000, async () => {
  const query = new URLSearchParams(location.search);
  query.set("part", "rows");
  const answer = await request(`/studies?${query}`);
  const focused = rows.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  rows.innerHTML = await answer.text(); // the server has escaped what people wrote
  showRelativeTimes(rows);
  if (focused) rows.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
});

document.getElementById("state").addEventListener("change", (event) => event.target.form.requestSubmit());

watch("/api/v1/events", {
  studies() {
    if (!first) refresh();
    first = false;
  },
});
