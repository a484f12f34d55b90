// A stream of server-sent events. It is closed while the page is hidden (a browser holds six
// connections to one server, over all its pages) and resumed after the last event that came.

const SILENT_MILLISECONDS = 15000; // the server sends a beat every five seconds

export function watch(address, handlers, since = "") {
  const indicator = document.getElementById("line");
  let source = null;
  let lastEventId = since;
  let lastMessageAt = Date.now();
  let ended = false;

  const showState = (state, words) => {
    indicator.hidden = false;
    indicator.className = `line ${state}`;
    indicator.textContent = words;
  };
  const onMessage = () => { lastMessageAt = Date.now(); showState("", "live"); };
  const open = () => {
    if (source || ended) return;
    lastMessageAt = Date.now();
    source = new EventSource(`${address}${lastEventId ? `?since=${encodeURIComponent(lastEventId)}` : ""}`);
    source.onopen = onMessage;
    source.onerror = () => showState("down", "disconnected");
    source.addEventListener("beat", onMessage);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        onMessage();
        if (event.lastEventId) lastEventId = event.lastEventId;
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
    const dead = source && (source.readyState === EventSource.CLOSED || Date.now() - lastMessageAt > SILENT_MILLISECONDS);
    if (dead) { showState("down", "disconnected"); close(); open(); }
  }, 2000);
  open();
  return { end: (words) => { ended = true; close(); showState("idle", words); } };
}
