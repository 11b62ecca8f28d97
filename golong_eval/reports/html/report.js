"use strict";
// The sample browser. Everything that comes from models or documents becomes text nodes, never markup.
(() => {
  const PAGE = 50;
  const BLOCK = 20000; // characters of a long text in one block: the browser lays out only blocks in view
  const FOLD = 1500; // characters from which a text is folded
  const TRUNCATED = 1, CUT = 2, CACHED = 4;
  const at = (id) => document.getElementById(id);
  const { columns, starts, questions, repeats, beside } = JSON.parse(at("payload").textContent);
  const total = columns.id.length;
  const sampleOf = new Int32Array(total); // number of each row's sample: a sample's repeats stand together
  for (let row = 1; row < total; row += 1) sampleOf[row] = sampleOf[row - 1] + (columns.id[row] === 0 ? 0 : 1);
  for (const name of ["id", "task", "status"]) {
    const column = columns[name]; // a 0 stands for the name before it
    for (let row = 1; row < total; row += 1) if (column[row] === 0) column[row] = column[row - 1];
  }

  // ── parts: in the page, or in a script beside it that hands its data over ──
  const loaded = new Map();
  const waiting = new Map();
  globalThis.golongPart = (name, data) => { waiting.get(name)?.(data); waiting.delete(name); };
  const DOCUMENTS = 100; // documents of a prompt that are listed at once
  function load(name) {
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((resolve, reject) => {
        const inside = at(name);
        if (inside !== null) { resolve(JSON.parse(inside.textContent)); return; }
        const script = document.createElement("script");
        waiting.set(name, resolve);
        script.src = `${encodeURIComponent(beside)}/${name}.js`;
        const failed = (what) => {
          loaded.delete(name);
          waiting.delete(name);
          script.remove();
          reject(new Error(`${beside}/${name}.js ${what}`));
        };
        script.onload = () => { if (waiting.has(name)) failed("is damaged: write the report again"); else script.remove(); };
        script.onerror = () => failed("is missing: keep that folder beside this page");
        document.head.append(script);
      }));
    }
    return loaded.get(name);
  }

  // ── building the page ──
  function make(tag, options = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "class") element.className = value;
      else if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  const number = (value) => value.toLocaleString("en-US");
  const scoreText = (value) => (value === null ? "–" : value.toFixed(3));

  // Cut a text into blocks at line ends where there are any, and mark stretches of it.
  function textBox(label, text, marks = []) {
    const box = make("div", {
      class: text.length > BLOCK ? "text" : "text short", tabindex: "0", dir: "auto", role: "group", "aria-label": label,
    });
    let start = 0;
    while (start < text.length || start === 0) {
      let end = Math.min(text.length, start + BLOCK);
      if (end < text.length) {
        const line = start + text.slice(start, end).lastIndexOf("\n");
        if (line > start + BLOCK / 2) end = line + 1;
        else if (/[\ud800-\udbff]/.test(text[end - 1])) end += 1;
      }
      const block = make("div");
      let place = start;
      for (const [from, to] of marks) {
        const low = Math.max(from, place), high = Math.min(to, end);
        if (low >= high) continue;
        block.append(text.slice(place, low), make("mark", { text: text.slice(low, high) }));
        place = high;
      }
      block.append(text.slice(place, end));
      box.append(block);
      start = end;
      if (text.length === 0) break;
    }
    return box;
  }
  function folded(title, text, marks) {
    if (text.length <= FOLD) return [make("h4", { text: title }), textBox(title, text, marks)];
    const details = make("details", {}, make("summary", { text: `${title} (${number(text.length)} characters)` }));
    details.addEventListener("toggle", () => { if (details.childElementCount === 1) details.append(textBox(title, text, marks)); });
    return [details];
  }
  // Python counts characters, JavaScript counts UTF-16 units; they part at the first character beyond 16 bits.
  function inUnits(text, offsets) {
    if (!/[\ud800-\udbff]/.test(text)) return offsets;
    const sorted = [...offsets].sort((a, b) => a - b);
    const found = new Map();
    let characters = 0, next = 0;
    for (let unit = 0; unit <= text.length && next < sorted.length; unit += 1) {
      while (next < sorted.length && sorted[next] === characters) { found.set(sorted[next], unit); next += 1; }
      const code = text.charCodeAt(unit);
      if (code >= 0xd800 && code < 0xdc00) unit += 1;
      characters += 1;
    }
    return offsets.map((offset) => found.get(offset) ?? text.length);
  }
  function documentFold([name, title, number_, digest, characters], evidence) {
    const own = evidence.filter(([document]) => document === name);
    const told = [characters === null ? "" : `${number(characters)} characters`, own.length ? "evidence" : ""];
    const label = [name, title, `(${told.filter(Boolean).join(", ") || "can't be read"})`].filter(Boolean).join("  ");
    const details = make("details", {}, make("summary", { text: label, dir: "auto" }));
    details.addEventListener("toggle", async () => {
      if (!details.open || details.childElementCount > 1) return;
      const holder = make("div", {}, make("p", { class: "note", text: "Loading…" }));
      details.append(holder);
      try {
        const text = (await load(`d-${number_}`))[digest];
        if (typeof text !== "string") throw new Error(text?.error ?? "this document is missing");
        const flat = inUnits(text, own.flatMap(([, from, to]) => [from, to]));
        const marks = own.map((_, index) => [flat[2 * index], flat[2 * index + 1]]).sort((a, b) => a[0] - b[0]);
        const box = textBox(label, text, marks);
        holder.replaceChildren(box);
        if (marks.length) {
          holder.prepend(make("p", { class: "note" }, make("button", {
            type: "button", text: "Go to the evidence",
            onclick: () => box.querySelector("mark")?.scrollIntoView({ block: "center" }),
          })));
        }
      } catch (error) {
        holder.replaceChildren(make("p", { class: "note bad", text: error.message }));
        details.addEventListener("toggle", () => holder.remove(), { once: true }); // the next try starts anew
      }
    });
    return details;
  }
  function goldBox(data) {
    if (data.gold_table === undefined) return folded("Gold", data.gold);
    const [header, ...rows] = data.gold_table;
    const head = make("tr", {}, ...header.map((text) => make("th", { scope: "col", text })));
    const lines = rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { dir: "auto", text }))));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
    return [make("h4", { text: "Gold" }), make("div", { class: "scroll gold", tabindex: "0", role: "group", "aria-label": "Gold" }, table)];
  }
  function documentFolds(documents, evidence) {
    const holder = make("div");
    const more = (start) => {
      holder.append(...documents.slice(start, start + DOCUMENTS).map((one) => documentFold(one, evidence)));
      const left = documents.length - start - DOCUMENTS;
      if (left <= 0) return;
      const button = make("button", { type: "button", text: `Show more of ${number(left)} documents` });
      button.addEventListener("click", () => { button.remove(); more(start + DOCUMENTS); });
      holder.append(button);
    };
    more(0);
    return holder;
  }

  // ── one answer in full ──
  async function show(row, focus) {
    const detail = at("detail");
    chosen = row;
    for (const line of at("rows").tBodies[0].rows) mark(line, Number(line.dataset.row) === row);
    let low = 0;
    while (low + 1 < starts.length && starts[low + 1] <= row) low += 1;
    let part;
    try {
      part = await load(`s-${low}`);
    } catch (error) {
      if (chosen === row) detail.replaceChildren(make("p", { class: "note bad", text: error.message }));
      return;
    }
    if (chosen !== row) return; // another was chosen meanwhile
    const data = part.rows[row - starts[low]];
    const column = (name) => columns[name][row];
    const children = [make("h3", {}, make("bdi", { text: column("id") }), repeats > 1 ? `, repeat ${column("repeat")}` : "")];
    const facts = [["task", column("task")], ["score", scoreText(column("score"))], ["status", column("status")]];
    if (column("flags") & TRUNCATED) facts.push(["", "ended at its token cap"]);
    if (column("flags") & CACHED) facts.push(["", "from the response cache"]);
    for (const [name, value] of Object.entries(data.parts ?? {})) facts.push([name, String(Math.round(value * 1000) / 1000)]);
    for (const [name, value] of Object.entries(data.facets ?? {})) facts.push([name, value]);
    for (const [name, label] of [["prompt", "prompt tokens"], ["answer", "answer tokens"]]) {
      if (column(name) !== null) facts.push([label, number(column(name))]);
    }
    if (data.reasoning_tokens !== undefined) facts.push(["of thinking", number(data.reasoning_tokens)]);
    if (data.cached_tokens !== undefined) facts.push(["from a prefix cache", number(data.cached_tokens)]);
    if (column("seconds") !== null) facts.push(["seconds", String(column("seconds"))]);
    const list = make("dl", { class: "facts" });
    for (const [name, value] of facts) {
      list.append(make("div", {}, make("dt", { text: name }), make("dd", {}, make("bdi", { text: value }))));
    }
    children.push(list);
    if (data.reason) children.push(make("p", { class: "bad", text: data.reason }));
    if (data.error && data.error !== data.reason) children.push(make("p", { class: "bad", text: data.error }));
    children.push(...folded("Question", data.question));
    if (data.thinking) children.push(...folded("Thinking", data.thinking));
    if (data.unfinished) children.push(make("p", { class: "note", text: "The thinking never ended." }));
    if (data.answer === "") children.push(make("h4", { text: "Answer" }), make("p", { class: "note", text: "(empty)" }));
    else if (data.answer !== undefined) children.push(...folded("Answer", data.answer));
    else children.push(make("h4", { text: "Answer" }), make("p", { class: "note", text: "none" }));
    children.push(...folded("Parsed answer", data.parsed ?? "–"), ...goldBox(data));
    if (data.after !== undefined) {
      const documents = part.shared[data.documents];
      const before = part.shared[data.before];
      children.push(make("h4", { text: "Prompt" }));
      if (column("flags") & CUT) {
        const cut = `${number(data.cut_tokens ?? 0)} tokens of the documents were cut out in the middle; here they stand whole.`;
        children.push(make("p", { class: "note", text: cut }));
      }
      if (before) children.push(...folded("Before the documents", before));
      children.push(documentFolds(documents, data.evidence));
      children.push(...folded("After the documents", data.after));
    }
    detail.replaceChildren(...children);
    if (focus) {
      detail.focus({ preventScroll: true });
      if (detail.getBoundingClientRect().top > innerHeight - 80 || detail.getBoundingClientRect().top < 0) detail.scrollIntoView();
    }
  }

  // ── filtering and the list ──
  let matching = [];
  let page = 0;
  let chosen = -1;
  const facets = { truncated: (row) => columns.flags[row] & TRUNCATED, "context cut": (row) => columns.flags[row] & CUT };
  const sorts = {
    "as run": null,
    "score, lowest first": ["score", 1], "score, highest first": ["score", -1],
    "prompt, longest first": ["prompt", -1], "prompt, shortest first": ["prompt", 1],
    "answer, longest first": ["answer", -1], "answer, shortest first": ["answer", 1],
    "time, longest first": ["seconds", -1], "time, shortest first": ["seconds", 1],
  };
  function fill(select, names) {
    for (const [value, label] of names) select.append(make("option", { value, text: label }));
  }
  fill(at("f-task"), [["", "all"], ...[...new Set(columns.task)].map((task) => [task, task])]);
  fill(at("f-status"), [["", "all"], ...[...new Set(columns.status)].sort().map((one) => [one, one]),
    ...Object.keys(facets).filter((name) => columns.id.some((_, row) => facets[name](row))).map((name) => [name, name])]);
  fill(at("f-sort"), Object.keys(sorts).map((name) => [name, name]));

  let texts = null; // questions in lower case, loaded when they are first searched
  let unsearched = "";
  async function loadQuestions() {
    try {
      const found = await Promise.all(Array.from({ length: questions }, (_, place) => load(`q-${place}`)));
      texts = found.flat().map((one) => one.toLowerCase());
      unsearched = "";
    } catch (error) {
      unsearched = `; questions can't be searched: ${error.message}`;
    }
    if (at("f-text").value.trim()) filter();
  }
  function filter() {
    const task = at("f-task").value, status = at("f-status").value;
    const text = at("f-text").value.trim().toLowerCase();
    const low = at("f-low").value === "" ? 0 : Number(at("f-low").value);
    const high = at("f-high").value === "" ? 1 : Number(at("f-high").value);
    const whole = low <= 0 && high >= 1;
    matching = [];
    for (let row = 0; row < total; row += 1) {
      if (task && columns.task[row] !== task) continue;
      if (status && !(status in facets ? facets[status](row) : columns.status[row] === status)) continue;
      const score = columns.score[row];
      if (!whole && (score === null || score < low || score > high)) continue;
      if (text && !columns.id[row].toLowerCase().includes(text) && !texts?.[sampleOf[row]].includes(text)) continue;
      matching.push(row);
    }
    const order = sorts[at("f-sort").value];
    if (order) {
      const [name, sign] = order;
      const values = columns[name];
      // What has no value comes last, whichever way.
      matching.sort((a, b) => (values[a] === null) - (values[b] === null) || sign * (values[a] - values[b]) || a - b);
    }
    page = 0;
    list();
  }
  function list() {
    const pages = Math.max(1, Math.ceil(matching.length / PAGE));
    const body = at("rows").tBodies[0];
    const lines = matching.slice(page * PAGE, (page + 1) * PAGE).map((row) => {
      const repeat = columns.repeat[row] ? ` #${columns.repeat[row]}` : "";
      const name = make("button", { type: "button", title: columns.id[row] + repeat }, make("bdi", { text: columns.id[row] + repeat }));
      const status = columns.status[row] + (columns.flags[row] & TRUNCATED ? ", truncated" : "") + (columns.flags[row] & CUT ? ", cut" : "");
      const tokens = columns.prompt[row] === null ? "–" : number(columns.prompt[row]);
      const line = make("tr", { "data-row": row, onclick: () => go(row) }, make("td", {}, name),
        make("td", { text: columns.task[row] }), make("td", { text: status }),
        make("td", { class: "num", text: scoreText(columns.score[row]) }), make("td", { class: "num", text: tokens }));
      mark(line, row === chosen);
      return line;
    });
    body.replaceChildren(...lines);
    at("count").textContent = `${number(matching.length)} of ${number(total)} answers${unsearched}`;
    at("page").textContent = `page ${number(page + 1)} of ${number(pages)}`;
    at("previous").disabled = page === 0;
    at("next").disabled = page + 1 >= pages;
  }
  function turn(by) {
    page += by;
    list();
    // A button that was just disabled would leave the keyboard nowhere.
    if (document.activeElement === document.body) at(by > 0 ? "previous" : "next").focus();
  }
  function mark(line, isChosen) {
    line.classList.toggle("chosen", isChosen);
    if (isChosen) line.setAttribute("aria-current", "true"); else line.removeAttribute("aria-current");
  }

  // ── the address names the answer that is shown ──
  function go(row) {
    const hash = `#sample=${encodeURIComponent(columns.id[row])}&repeat=${columns.repeat[row]}`;
    if (location.hash === hash) show(row, true);
    else location.hash = hash;
  }
  function follow() {
    const found = /^#sample=([^&]*)(?:&repeat=([0-9]+))?$/.exec(location.hash);
    if (found === null) return;
    let id;
    try { id = decodeURIComponent(found[1]); } catch { id = found[1]; }
    const repeat = Number(found[2] ?? 0);
    const row = columns.id.findIndex((one, place) => one === id && columns.repeat[place] === repeat);
    if (row < 0) {
      at("detail").replaceChildren(make("p", { class: "note bad", text: `This run has no answer to ${id}, repeat ${repeat}.` }));
      at("samples").scrollIntoView();
      return;
    }
    if (!matching.includes(row)) { at("filters").reset(); filter(); } // a link goes before what was filtered
    page = Math.floor(matching.indexOf(row) / PAGE);
    list();
    show(row, true);
  }

  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("input", filter);
  at("f-text").addEventListener("input", () => { if (texts === null) loadQuestions(); });
  at("rows").addEventListener("keydown", (event) => {
    const by = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const button = by && event.target.closest("tbody tr")?.[by]?.querySelector("button");
    if (button) { button.focus(); event.preventDefault(); }
  });
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  addEventListener("hashchange", follow);
  filter();
  follow();
})();
