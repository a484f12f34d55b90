// A line to the server that says what changes. It is cut while the page is hidden (a browser holds
// six lines to one server, over all its pages) and taken up again where it stopped.

const SILENT_MILLISECONDS = 15000; // the server sends a beat every five seconds

export function watch(address, handlers, since = "") {
  const sign = document.getElementById("line");
  let source = null;
  let last = since;
  let heard = Date.now();
  let over = false;

  const say = (state, words) => {
    sign.hidden = false;
    sign.className = `line ${state}`;
    sign.textContent = words;
  };
  const up = () => { heard = Date.now(); say("", "live"); };
  const open = () => {
    if (source || over) return;
    heard = Date.now();
    source = new EventSource(`${address}${last ? `?since=${encodeURIComponent(last)}` : ""}`);
    source.onopen = up;
    source.onerror = () => say("down", "disconnected");
    source.addEventListener("beat", up);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        up();
        if (event.lastEventId) last = event.lastEventId;
        handle(JSON.parse(event.data));
      });
    }
  };
  const close = () => { source?.close(); source = null; };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  setInterval(() => {
    // EventSource gives up for good on an answer that is no stream, such as a proxy's error page.
    const dead = source && (source.readyState === EventSource.CLOSED || Date.now() - heard > SILENT_MILLISECONDS);
    if (dead) { say("down", "disconnected"); close(); open(); }
  }, 2000);
  open();
  return { end: (words) => { over = true; close(); say("idle", words); } };
}
