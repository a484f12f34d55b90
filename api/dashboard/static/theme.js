// Before the first paint: the theme that was chosen here, else the system's.
const stored = localStorage.getItem("theme");
if (stored) document.documentElement.dataset.theme = stored;

const names = { "": "as the system", light: "light", dark: "dark" };

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const updateButton = () => {
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
    updateButton();
    document.dispatchEvent(new Event("theme"));
  });
  updateButton();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new Event("theme")));
