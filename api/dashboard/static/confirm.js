// Asks in a dialog before something is done that cannot be undone; true when the answer is yes.

export async function confirmInDialog(id) {
  const dialog = document.getElementById(id);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}
