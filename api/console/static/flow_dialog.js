// The execute page inside a dialog: started from any page of the flow, with the result beside the form, and curl lines
// that follow what is typed.
import { bind } from "./app.js";
import { follow } from "./live.js";

const PAUSE_MS = 250;
const SIGNED_AGAIN_MS = 60_000;

async function page(url, options = {}) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin", ...options });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Put a part of a fetched page where it is on this one; null when the fetched page has none (a session is over). */
function take(fetched, id) {
  const old = document.getElementById(id);
  const fresh = fetched.getElementById(id);
  if (!old || !fresh) { location.reload(); return null; }
  const adopted = document.adoptNode(fresh);
  old.replaceWith(adopted);
  bindAll(adopted);
  return adopted;
}

let stop = () => {};

/** Keep the result up to date; the one before it is let go of. */
function listen(part) {
  stop();
  stop = follow(part, bind);
}

function bindExecute(root) {
  const form = root.querySelector("form[data-result]") ?? null;
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button.primary");
    button.disabled = true;
    const fetched = await page(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    button.disabled = false;
    const begun = fetched.querySelector("#execute-result[data-run]");
    const part = take(fetched, begun ? form.dataset.result : "start");
    if (!begun) part?.querySelector("[aria-invalid], [role=alert]")?.scrollIntoView({ block: "center" });
    if (!begun) part?.querySelector("[aria-invalid]")?.focus();
    if (begun && part) listen(part);
  });
}

function bindCurl(root) {
  for (const form of root.querySelectorAll("form[data-curl]")) {
    for (const row of form.querySelectorAll("[data-unscripted]")) row.hidden = true;
    const line = document.getElementById(form.dataset.curl);
    const problem = document.getElementById(`${form.dataset.curl}-problem`);
    let timer = 0;
    let turn = 0;
    const ask = async () => {
      const mine = ++turn;
      const options = { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)) };
      const answer = await fetch(form.action, { credentials: "same-origin", ...options });
      if (mine !== turn || !answer.ok) return;
      const made = await answer.json();
      problem.textContent = made.problem ?? "";
      line.dataset.value = made.line ?? "";
      line.dataset.masked = made.shown ?? "";
      line.textContent = line.hasAttribute("data-shown") ? line.dataset.value : line.dataset.masked;
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, PAUSE_MS); });
    const again = setInterval(() => {
      if (!form.isConnected) clearInterval(again);
      else if (document.visibilityState === "visible") ask();
    }, SIGNED_AGAIN_MS);
  }
}

function bindAll(root) {
  bind(root);
  bindExecute(root);
  bindCurl(root);
}

async function open(url) {
  const content = (await page(url)).getElementById("execute-dialog");
  if (!content) { location.href = url; return; }
  const dialog = document.createElement("dialog");
  const title = Object.assign(document.createElement("h2"), { textContent: content.dataset.title, id: "dialog-title" });
  const close = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: "Close" });
  const head = Object.assign(document.createElement("header"), { className: "dialog-head" });
  dialog.id = "flow-dialog";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  head.append(title, close);
  dialog.append(head, document.adoptNode(content));
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { stop(); dialog.remove(); });
  bindAll(dialog);
  dialog.showModal();
  listen(dialog.querySelector("#execute-result"));
}

for (const link of document.querySelectorAll("a[data-dialog]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.href);
  });
}
bindExecute(document);
bindCurl(document);
