// Before the first paint: the theme that was chosen here, else the system's.
const kept = localStorage.getItem("theme");
if (kept) document.documentElement.dataset.theme = kept;

const names = { "": "as the system", light: "light", dark: "dark" };

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const say = () => {
    const theme = document.documentElement.dataset.theme ?? "";
    button.setAttribute("aria-label", `Theme: ${names[theme]}`);
    button.title = `Theme: ${names[theme]}`;
  };
  button.addEventListener("click", () => {
    const order = ["", "light", "dark"];
    const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3];
    if (next) {
      document.documentElement.dataset.theme = next;
      localStorage.setItem("theme", next);
    } else {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("theme");
    }
    say();
    document.dispatchEvent(new Event("theme"));
  });
  say();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new Event("theme")));
