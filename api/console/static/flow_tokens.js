// Splits YAML with {{ expressions }} into coloured pieces, one list of [kind, text] per line. It colours; whether a
// text is valid is for the server to say.

const CLOSING = { "{{": "}}", "{%": "%}", "{#": "#}" };
const OPENING = /\{\{|\{%|\{#/;
const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#:,{}[\]"'&*!|>%@`-](?:[^#:]|:(?=\S)|(?<=\S)#)*|-(?=\S)[^#:]*)(\s*:)(?=\s|$)/;
const PLAIN_NUMBER = /^(?:[-+]?(?:\d[\d_]*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|~)$/i;
const FLOW_KEY = /^([\w.-]+|"[^"]*"|'[^']*')(\s*:)(?=\s|$)/;

/** Pieces of a text in which expressions may stand; `open` carries one that goes on in the next line. */
function withExpressions(text, kind, state, found) {
  while (text) {
    if (state.open) {
      const end = text.indexOf(state.open);
      if (end < 0) { found.push(["expression", text]); return; }
      found.push(["expression", text.slice(0, end + 2)]);
      text = text.slice(end + 2);
      state.open = "";
      continue;
    }
    const begin = text.search(OPENING);
    if (begin < 0) { found.push([kind, text]); return; }
    if (begin) found.push([kind, text.slice(0, begin)]);
    state.open = CLOSING[text.slice(begin, begin + 2)];
    found.push(["expression", text.slice(begin, begin + 2)]);
    text = text.slice(begin + 2);
  }
}

/** Where a quoted text ends; the whole rest when it does not end in this line. */
function quotedEnd(text) {
  const match = text[0] === '"' ? /^"(?:[^"\\]|\\.)*"/.exec(text) : /^'(?:[^']|'')*'/.exec(text);
  return match ? match[0].length : text.length;
}

/** A collection in braces or brackets: keys, texts and numbers between its signs. */
function flowPiece(text, state, found) {
  const key = FLOW_KEY.exec(text);
  if (key) { found.push(["key", key[1]], ["sign", key[2]]); return key[0].length; }
  const sign = /^[{}[\],\s]+/.exec(text);
  if (sign && !OPENING.test(text.slice(0, 2))) {
    const length = text.slice(0, sign[0].length).search(OPENING);
    const cut = length > 0 ? length : sign[0].length;
    found.push(["sign", text.slice(0, cut)]);
    return cut;
  }
  const scalar = /^(?:\{\{[\s\S]*?\}\}|[^,{}[\]])+/.exec(text)?.[0] ?? text[0];
  withExpressions(scalar, PLAIN_NUMBER.test(scalar.trim()) ? "number" : "text", state, found);
  return scalar.length;
}

function value(text, state, column, found) {
  const space = /^\s*/.exec(text)[0];
  if (space) found.push(["", space]);
  text = text.slice(space.length);
  if (/^[|>][-+0-9]*\s*(?:#.*)?$/.test(text)) {
    state.block = column;
    found.push(["sign", text]);
    return;
  }
  const inFlow = /^[{[]/.test(text) && !OPENING.test(text.slice(0, 2));
  while (text) {
    if (/^#/.test(text) || /^\s+#/.test(text)) { found.push(["comment", text]); return; }
    let taken;
    if (text[0] === '"' || text[0] === "'") {
      taken = quotedEnd(text);
      withExpressions(text.slice(0, taken), "text", state, found);
    } else if (inFlow) {
      taken = flowPiece(text, state, found);
    } else {
      const comment = text.search(/\s#/);
      taken = comment < 0 ? text.length : comment;
      const scalar = text.slice(0, taken);
      withExpressions(scalar, PLAIN_NUMBER.test(scalar.trim()) ? "number" : "text", state, found);
    }
    text = text.slice(taken);
  }
}

function line(text, state) {
  const found = [];
  const indent = /^\s*/.exec(text)[0].length;
  if (state.open) { withExpressions(text, "text", state, found); return found; }
  if (state.block >= 0 && (indent > state.block || !text.trim())) { withExpressions(text, "text", state, found); return found; }
  state.block = -1;
  const start = /^(\s*)((?:-\s+|-$)*)/.exec(text);
  if (start[1]) found.push(["", start[1]]);
  if (start[2]) found.push(["sign", start[2]]);
  const rest = text.slice(start[0].length);
  if (rest.startsWith("#")) { found.push(["comment", rest]); return found; }
  if (/^(?:---|\.\.\.)(?:\s|$)/.test(rest)) { found.push(["sign", rest]); return found; }
  const key = KEY.exec(rest);
  if (key) found.push(["key", key[1]], ["sign", key[2]]);
  value(key ? rest.slice(key[0].length) : rest, state, start[0].length, found);
  return found;
}

/** One list of pieces per line. Joined again they are the text. */
export function tokens(text) {
  const state = { open: "", block: -1 };
  return text.split("\n").map((one) => line(one, state));
}

/** Draw a text into an element. */
export function paint(element, text) {
  const made = document.createDocumentFragment();
  for (const pieces of tokens(text)) {
    for (const [kind, piece] of pieces) {
      if (!kind || kind === "sign") { made.append(piece); continue; }
      const span = document.createElement("span");
      span.className = `code-${kind}`;
      span.textContent = piece;
      made.append(span);
    }
    made.append("\n");
  }
  element.replaceChildren(made);
}
