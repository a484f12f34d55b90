// Runs a task at most once in so many milliseconds: at once, then after the pause if it was asked
// for meanwhile. A task never overlaps itself.

export function throttled(milliseconds, task) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      await task();
    } finally {
      setTimeout(() => {
        busy = false;
        if (again) { again = false; run(); }
      }, milliseconds);
    }
  };
}
