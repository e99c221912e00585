// A part with `data-live="URL"` listens to server-sent events. After one it fetches the page again and takes the
// same parts (those with `data-fresh`) from it, so there is one way of drawing things: the server's.
// `data-pause` says how many milliseconds lie between two looks at least.
// A part of another page (a dialog's) says with `data-from` which page that is.

const PAUSE_MS = 400;
const pageOf = (part) => new URL(part.dataset.from ?? location.href, location.href).href;

async function refresh(page, bind) {
  const answer = await fetch(page, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (answer.redirected) return location.assign(page); // the session is over; never sends a form again, as reload would
  if (!answer.ok) return;
  const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = pageOf(old) === page && fetched.getElementById(old.id);
    if (!fresh || fresh.outerHTML === old.outerHTML || old.contains(document.activeElement)) continue;
    const adopted = document.adoptNode(fresh);
    old.replaceWith(adopted);
    bind(adopted);
  }
  dispatchEvent(new CustomEvent("hookledger:fresh"));
}

/** Keep a part up to date until it is gone, or comes back without `data-live`. Returns what ends that. */
export function follow(part, bind) {
  const page = pageOf(part);
  const current = () => (part.id && document.getElementById(part.id)) || part;
  const source = new EventSource(part.dataset.live);
  const say = (on, text) => {
    const lamp = current().querySelector(".live") ?? document.querySelector(".live");
    if (lamp) { lamp.dataset.on = on; lamp.textContent = text; }
  };
  const pause = Number(part.dataset.pause ?? PAUSE_MS);
  let waiting = false;
  let last = 0;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      last = Date.now();
      await refresh(page, bind);
      const now = current();
      if (!now.isConnected || !now.dataset.live || pageOf(now) !== page) source.close();
      else say("yes", "Live");
    }, Math.max(0, last + pause - Date.now()));
  };
  source.addEventListener("open", () => { say("yes", "Live"); soon(); }); // it may have gone on before we listened
  source.addEventListener("change", soon);
  addEventListener("hookledger:stale", soon);
  source.addEventListener("end", () => { soon(); source.close(); say("no", "Ended"); });
  source.addEventListener("error", () => { if (source.readyState !== EventSource.CLOSED) say("no", "Reconnecting"); });
  return () => source.close();
}

export function bindLive(bind) {
  const part = document.querySelector("[data-live]");
  if (part && "EventSource" in window) follow(part, bind);
}
