// Bars of what still runs grow until they reach the edge; then the server draws the axis anew.
const STEP_MS = 250;
let began = performance.now();
let told = false;

function grow() {
  const drawing = document.querySelector("svg[data-growing]");
  if (!drawing) return;
  const { now, span, left, scale } = drawing.dataset;
  const at = Number(now) + (performance.now() - began) * 1000;
  const factor = Number(scale) / Number(span);
  for (const bar of drawing.querySelectorAll("[data-open]")) {
    const wide = (Math.min(at, Number(span)) - Number(bar.dataset.open)) * factor;
    bar.setAttribute("width", String(Math.max(3, wide).toFixed(1)));
  }
  if (at > Number(span) && !told && left) {
    told = true;
    dispatchEvent(new CustomEvent("hookledger:stale"));
  }
}

addEventListener("hookledger:fresh", () => { began = performance.now(); told = false; });
setInterval(grow, STEP_MS);
