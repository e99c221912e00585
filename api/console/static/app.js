// What every page has: copying, masked values, confirmations, live parts. Pages work without it for reading.
import { bindCopying } from "./copying.js";
import { bindLive } from "./live.js";

function bindRevealing(root) {
  for (const button of root.querySelectorAll("[data-reveal]")) {
    const target = document.getElementById(button.dataset.reveal);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = target.toggleAttribute("data-shown");
      target.textContent = shown ? target.dataset.value : target.dataset.masked;
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-expanded", String(shown));
    });
  }
}

function bindConfirming(root) {
  for (const form of root.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
}

/** Bind everything inside a part of the page; called again for parts that arrive later. */
export function bind(root) {
  bindCopying(root);
  bindRevealing(root);
  bindConfirming(root);
}

bind(document);
bindLive(bind);
