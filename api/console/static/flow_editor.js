// The editor of a flow's source: colours beneath a plain text area, line numbers, checks while one types.
import { paint } from "./flow_tokens.js";

const PAUSE_MS = 350;
const COLOURED_CHARS_MAX = 200_000;
const WARNING = /^[^:\n]*:(\d+):(\d+): ([\s\S]*)$/;

class Editor {
  constructor(root) {
    this.root = root;
    this.area = root.querySelector("textarea");
    this.layer = root.querySelector(".layer");
    this.gutter = root.querySelector(".gutter");
    this.state = document.getElementById("editor-state");
    this.faults = document.getElementById("faults");
    this.first = this.area.value;
    this.leaving = false;
    this.asked = 0;
    root.classList.add("scripted");
    for (const hint of document.querySelectorAll("[data-scripted]")) hint.hidden = false;
    this.area.addEventListener("input", () => { this.draw(); this.soon(); });
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.faults.addEventListener("click", (event) => this.jump(event));
    this.area.form.addEventListener("submit", () => { this.first = this.area.value; });
    addEventListener("beforeunload", (event) => { if (this.area.value !== this.first) event.preventDefault(); });
    this.marks = new Map([...this.faults.querySelectorAll("li")].map((item) => [Number(item.dataset.line), item.className]));
    this.draw();
  }

  draw() {
    const text = this.area.value;
    if (text.length <= COLOURED_CHARS_MAX) paint(this.layer, text);
    else this.layer.textContent = `${text}\n`;
    this.root.classList.toggle("plain", text.length > COLOURED_CHARS_MAX);
    const count = text.split("\n").length;
    if (this.gutter.childElementCount !== count) this.number(count);
    this.mark();
  }

  number(count) {
    const lines = Array.from({ length: count }, (_, index) => {
      const line = document.createElement("span");
      line.textContent = String(index + 1);
      return line;
    });
    this.gutter.replaceChildren(...lines);
  }

  mark() {
    [...this.gutter.children].forEach((line, index) => { line.className = this.marks.get(index + 1) ?? ""; });
  }

  key(event) {
    if (event.key === "Escape") {
      this.leaving = true;
      this.state.textContent = "Tab leaves the editor now.";
    } else if (event.key === "Tab" && !this.leaving && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.insert("  ");
    } else if (event.key === "Enter" && !event.isComposing && !event.ctrlKey && !event.metaKey) {
      const before = this.area.value.slice(0, this.area.selectionStart);
      const indent = /^ */.exec(before.slice(before.lastIndexOf("\n") + 1))[0];
      if (indent) { event.preventDefault(); this.insert(`\n${indent}`); }
    } else if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.area.form.requestSubmit();
    }
    if (event.key !== "Escape" && event.key !== "Shift") this.leaving = event.key === "Tab" && this.leaving;
  }

  insert(text) {
    if (document.execCommand("insertText", false, text)) return; // keeps the browser's own undo
    this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
    this.area.dispatchEvent(new Event("input"));
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE_MS);
  }

  async check() {
    const turn = ++this.asked;
    const { validate, csrf } = this.root.dataset;
    const headers = { "Content-Type": "application/x-yaml", "X-CSRF-Token": csrf, Accept: "application/json" };
    try {
      const answer = await fetch(validate, { method: "POST", headers, body: this.area.value, credentials: "same-origin" });
      const found = await answer.json();
      if (turn === this.asked) this.show(Editor.read(found, answer.ok));
    } catch {
      if (turn === this.asked) this.state.textContent = "Not checked: the server cannot be reached.";
    }
  }

  static read(found, ok) {
    if (!ok && !found.errors) return [{ line: 0, column: 0, message: found.detail ?? "It could not be checked.", kind: "bad" }];
    const verdicts = ok ? found : [found];
    const faults = verdicts.flatMap((verdict) => [
      ...(verdict.errors ?? []).map((one) => ({ ...one, kind: "bad" })),
      ...(verdict.warnings ?? []).map(Editor.warning),
    ]);
    if (verdicts.length > 1) faults.push({ line: 0, column: 0, message: "one flow at a time: remove what follows `---`", kind: "bad" });
    return faults;
  }

  static warning(one) {
    if (typeof one !== "string") return { ...one, kind: "care" };
    const [, line, column, message] = WARNING.exec(one) ?? ["", "0", "0", one];
    return { line: Number(line), column: Number(column), message, kind: "care" };
  }

  show(faults) {
    const count = (kind, word) => {
      const number = faults.filter((one) => one.kind === kind).length;
      return `${number} ${word}${number === 1 ? "" : "s"}`;
    };
    const summary = `${count("bad", "problem")}, ${count("care", "warning")}`;
    this.faults.hidden = !faults.length;
    this.faults.querySelector("h2").textContent = summary;
    this.faults.querySelector("ol").replaceChildren(...faults.map(Editor.item));
    this.state.textContent = faults.length ? `Checked: ${summary}.` : "Checked: nothing is wrong.";
    this.marks = new Map();
    for (const { line, kind } of faults) if (this.marks.get(line) !== "bad") this.marks.set(line, kind);
    this.mark();
  }

  static item({ line, column, message, kind }) {
    const item = document.createElement("li");
    item.className = kind;
    Object.assign(item.dataset, { line, column });
    const word = Object.assign(document.createElement("span"), { className: "kind", textContent: kind === "bad" ? "Problem" : "Warning" });
    const text = Object.assign(document.createElement("span"), { className: "message", textContent: message });
    item.append(word, " ");
    if (line) {
      const link = Object.assign(document.createElement("a"), { href: "#source", textContent: `Line ${line}, column ${column}` });
      link.dataset.go = "";
      item.append(link, " ");
    }
    item.append(text);
    return item;
  }

  jump(event) {
    const link = event.target.closest("[data-go]");
    if (!link) return;
    event.preventDefault();
    const { line, column } = link.closest("li").dataset;
    const before = this.area.value.split("\n").slice(0, Number(line) - 1);
    const at = before.reduce((sum, one) => sum + one.length + 1, 0) + Number(column) - 1;
    this.area.focus();
    this.area.setSelectionRange(at, at);
    this.gutter.children[Number(line) - 1]?.scrollIntoView({ block: "center" });
  }
}

for (const root of document.querySelectorAll("[data-editor]")) new Editor(root);
for (const view of document.querySelectorAll("[data-colour]")) {
  const layer = view.querySelector(".layer");
  if (layer.textContent.length <= COLOURED_CHARS_MAX) paint(layer, layer.textContent);
}
