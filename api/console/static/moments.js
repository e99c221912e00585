// The slider of the journal: fetches the state after an event and shows it; the form without script does the same.
const form = document.getElementById("time-form");
const slider = document.getElementById("slider");
const STEP_MS = 700;

function start() {
  const range = document.getElementById("at-range");
  const number = document.getElementById("at");
  const play = document.getElementById("at-play");
  let asked = 0;
  let timer = 0;

  async function show(at) {
    const last = Number(range.max);
    const wanted = Math.max(0, Math.min(last, at));
    range.value = String(wanted);
    number.value = String(wanted);
    const mine = ++asked;
    const answer = await fetch(`${form.dataset.part}&at=${wanted}`, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return location.reload();
    const text = await answer.text();
    if (mine !== asked) return; // a later wish is under way
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("moment");
    document.getElementById("moment").replaceWith(document.adoptNode(fresh));
    mark(wanted);
    const address = new URL(location.href);
    address.searchParams.set("at", String(wanted));
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  function mark(at) {
    for (const item of document.querySelectorAll("ol.events li.shown")) item.classList.remove("shown");
    document.getElementById(`event-${at}`)?.classList.add("shown");
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function run() {
    if (Number(range.value) >= Number(range.max)) show(0);
    play.textContent = "Stop";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      const next = Number(range.value) + 1;
      if (next > Number(range.max)) return stop();
      show(next);
    }, STEP_MS);
  }

  slider.hidden = false;
  range.addEventListener("input", () => { stop(); show(Number(range.value)); });
  document.getElementById("at-previous").addEventListener("click", () => { stop(); show(Number(range.value) - 1); });
  document.getElementById("at-next").addEventListener("click", () => { stop(); show(Number(range.value) + 1); });
  play.addEventListener("click", () => (timer ? stop() : run()));
  form.addEventListener("submit", (event) => { event.preventDefault(); stop(); show(Number(number.value)); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-at]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    stop();
    show(Number(link.dataset.at));
    form.scrollIntoView({ block: "nearest" });
  });
  mark(Number(range.value));
}

if (form && slider) start();
