// Says how long ago a time was; the full time is the element's title.

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function showRelativeTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const ago = (Date.now() - at) / 1000;
    const [unit, length] = units.find(([, seconds]) => ago >= seconds) ?? ["second", 1];
    element.title = at.toLocaleString();
    element.textContent = ago < 5 ? "just now" : relative.format(-Math.floor(ago / length), unit);
  }
}

showRelativeTimes();
setInterval(() => document.hidden || showRelativeTimes(), 15000);
