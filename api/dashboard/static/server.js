// Requests to the server of this page. A refusal becomes an Error whose message says what to do.

export async function request(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer; start it again or wait a moment.");
  }
  if (response.redirected && new URL(response.url).pathname === "/login") location.reload();
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `The server answered ${response.status}.`);
  error.fields = problem.errors ?? [];
  error.status = response.status;
  throw error;
}

export async function post(address, body, type = "application/json") {
  const headers = { "Content-Type": type, "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) };
  return (await request(address, { method: "POST", headers, body })).json();
}

let hiding;

export function showToast(message) {
  const element = document.getElementById("toast");
  element.textContent = message;
  element.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { element.hidden = true; }, 8000);
}
