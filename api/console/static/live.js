// A part with `data-live="URL"` listens to server-sent events. After one it fetches the page again and takes the
// same part from it, so there is one way of drawing things: the server's.

const PAUSE_MS = 400;

async function refresh(part, bind) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || fresh.outerHTML === old.outerHTML || old.contains(document.activeElement)) continue;
    const adopted = document.adoptNode(fresh);
    old.replaceWith(adopted);
    bind(adopted);
  }
  dispatchEvent(new CustomEvent("hookledger:fresh"));
}

export function bindLive(bind) {
  const part = document.querySelector("[data-live]");
  if (!part || !("EventSource" in window)) return;
  const lamp = document.querySelector(".live");
  const source = new EventSource(part.dataset.live);
  let waiting = false;
  let last = 0;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      last = Date.now();
      await refresh(part, bind);
    }, Math.max(0, last + PAUSE_MS - Date.now()));
  };
  source.addEventListener("open", () => { if (lamp) { lamp.dataset.on = "yes"; lamp.textContent = "Live"; } });
  source.addEventListener("change", soon);
  addEventListener("hookledger:stale", soon);
  source.addEventListener("end", () => { soon(); source.close(); if (lamp) { lamp.dataset.on = "no"; lamp.textContent = "Ended"; } });
  source.addEventListener("error", () => { if (lamp && source.readyState !== EventSource.CLOSED) { lamp.dataset.on = "no"; lamp.textContent = "Reconnecting"; } });
}
