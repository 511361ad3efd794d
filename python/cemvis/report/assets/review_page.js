"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const items = data.items;
  const keyOf = (batch, id) => JSON.stringify([batch, id]);
  items.forEach((item) => { item.key = keyOf(item.batch, item.id); });
  const here = new Set(items.map((item) => item.key));
  const known = new Set(items.map((item) => item.key));
  data.others.forEach(([batch, id]) => known.add(keyOf(batch, id)));

  // What a person decides here lies over what decisions.csv held when the page was made.
  const embedded = new Map(data.decisions.map(([batch, id, decision, note]) => [keyOf(batch, id), { decision, note }]));
  let own = new Map();
  let shown = [];
  let now = 0;

  function remember() {
    try {
      localStorage.setItem(data.key, JSON.stringify({ baseline: data.baseline, own: [...own] }));
    } catch (error) {
      say("This browser does not keep what you decide: save decisions.csv before you close the page.");
    }
  }
  function recall() {
    try {
      const kept = JSON.parse(localStorage.getItem(data.key) || "null");
      if (!kept || !Array.isArray(kept.own)) return;
      // Once decisions.csv has changed, it knows better than what had been saved to it.
      own = new Map(kept.own.filter(([key, each]) => known.has(key) && (kept.baseline === data.baseline || !each.saved)));
    } catch (error) {
      own = new Map();
    }
  }
  const stateOf = (key) => own.get(key) || embedded.get(key) || { decision: "", note: "" };
  function change(key, part) {
    own.set(key, { ...stateOf(key), ...part, saved: false });
    remember();
    progress();
  }
  function say(text) {
    $("notice").textContent = text;
    $("notice").classList.toggle("on", text !== "");
  }

  // Building blocks -------------------------------------------------------------------------------------------------
  function make(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties || {});
    made.append(...children);
    return made;
  }
  function svg(tag, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    return made;
  }
  const number = (value, digits, unit) => (value === null ? "\u2013" : `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`);
  const figures = (value, unit) => (value === null ? "\u2013" : `${Number(value.toPrecision(3))} ${unit}`);

  function shot(item, which) {
    const box = make("div", { className: "shot" });
    const source = item[which];
    if (!source) {
      box.append(make("span", { className: "none", textContent: "no image here" }));
      return box;
    }
    const image = make("img", { src: `data:image/jpeg;base64,${source}`, alt: `${which} indentation, ${item.id}` });
    image.style.filter = `contrast(${$("contrast").value})`;
    box.append(image);
    const over = svg("svg", { viewBox: `0 0 ${data.edge_px} ${data.edge_px}` });
    const [x, y] = item.centre;
    if (data.outline) {
      const points = data.outline.map(([dx, dy]) => `${x + dx},${y + dy}`).join(" ");
      over.append(svg("polygon", { points, class: "under" }), svg("polygon", { points, class: "outline" }));
    } else {
      const long = data.edge_px;
      over.append(svg("path", { d: `M0 ${y}H${0.3 * long}M${0.7 * long} ${y}H${long}M${x} 0V${0.3 * long}M${x} ${0.7 * long}V${long}`, class: "peak" }));
    }
    if (which === "after" && item.residual) {
      const [px, py] = [x + item.residual[0], y + item.residual[1]];
      const arm = data.edge_px / 40;
      over.append(svg("path", { d: `M${px - arm} ${py}H${px + arm}M${px} ${py - arm}V${py + arm}`, class: "peak" }));
    }
    box.append(over);
    return box;
  }

  // One indent --------------------------------------------------------------------------------------------------------
  function facts(item) {
    const list = make("dl");
    const add = (name, value) => list.append(make("dt", { textContent: name }), make("dd", { textContent: value }));
    add("Batch", item.batch);
    add("Row, column", `${item.row}, ${item.column}`);
    add("Score", number(item.score, 1));
    add("Residual", item.residual ? `${number(Math.hypot(...item.residual), 2, "px")} (${item.residual.map((v) => v.toFixed(1)).join(", ")})` : "no peak of its own");
    add("Position's error", number(item.error, 2, "px"));
    add(item.reduced ? "Er" : "E", figures(item.modulus, "GPa"));
    add("H", figures(item.hardness, "GPa"));
    if (item.depth !== null) add("Depth", figures(item.depth, "nm"));
    add("Test", item.status);
    add("x, y before", item.xy ? `${item.xy.map((v) => v.toFixed(2)).join(", ")} \u00b5m` : "\u2013");
    return list;
  }
  const COLOURS = { m: "#d55e00", p: "#009e73", a: "#e69f00", u: "#cc79a7" };
  function neighbours(item) {
    const batch = data.batches[item.batch];
    if (!batch) return "";
    const reach = Math.max(3, Math.min(10, Math.max(batch.rows, batch.columns)));
    const cell = 18;
    const top = Math.max(0, Math.min(item.row - (reach >> 1), batch.rows - reach));
    const left = Math.max(0, Math.min(item.column - (reach >> 1), batch.columns - reach));
    const [rows, columns] = [Math.min(reach, batch.rows), Math.min(reach, batch.columns)];
    const canvas = make("canvas", { width: columns * cell, height: rows * cell });
    const draw = canvas.getContext("2d");
    [draw.font, draw.textAlign, draw.textBaseline] = ["bold 11px sans-serif", "center", "middle"];
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const at = (top + i) * batch.columns + left + j;
        const score = batch.scores[at];
        const grey = score === null || score === undefined ? 235 : Math.round(230 - 190 * Math.max(0, Math.min(1, score / data.best_score)));
        draw.fillStyle = `rgb(${grey},${grey},${grey})`;
        draw.fillRect(j * cell, i * cell, cell - 1, cell - 1);
        const flag = COLOURS[batch.flags[at]];
        if (flag) {
          draw.fillStyle = flag;
          draw.fillRect(j * cell + 1, i * cell + 1, cell - 3, cell - 3);
          draw.fillStyle = "#000";
          draw.fillText(batch.flags[at].toUpperCase(), j * cell + (cell - 1) / 2, i * cell + (cell + 1) / 2);
        }
      }
    }
    draw.strokeStyle = "#0072b2";
    draw.lineWidth = 2;
    draw.strokeRect((item.column - left) * cell, (item.row - top) * cell, cell - 1, cell - 1);
    canvas.style.maxWidth = `${Math.min(220, columns * 22)}px`;
    canvas.setAttribute("role", "img");
    const around = [];
    for (let i = Math.max(0, item.row - 1); i <= Math.min(batch.rows - 1, item.row + 1); i += 1) {
      for (let j = Math.max(0, item.column - 1); j <= Math.min(batch.columns - 1, item.column + 1); j += 1) {
        const score = batch.scores[i * batch.columns + j];
        if ((i !== item.row || j !== item.column) && typeof score === "number") around.push(score);
      }
    }
    const text = around.length ? `Neighbours' scores ${Math.min(...around).toFixed(1)} to ${Math.max(...around).toFixed(1)}; ` : "";
    canvas.setAttribute("aria-label", `${text}part of the batch`);
    return make("div", {}, canvas, make("p", { className: "soft", textContent: `${text}dark: high score; A ambiguous, M missing, P pore, U unregistered` }));
  }
  function render() {
    const one = $("one");
    one.replaceChildren();
    const item = shown[now];
    if (!item) {
      one.append(make("p", { className: "empty", textContent: "No indent fits these choices." }));
      return;
    }
    const state = stateOf(item.key);
    const pair = make("div", { className: "pair" },
      make("figure", {}, shot(item, "before"), make("figcaption", { textContent: "before indentation" })),
      make("figure", {}, shot(item, "after"), make("figcaption", { textContent: `after; ${data.edge_px} px are ${data.edge_um} \u00b5m` })));
    const button = (text, name, decision) => make("button", {
      textContent: text, className: `${name}${state.decision === decision && decision ? " on" : ""}`, onclick: () => decide(state.decision === decision ? "" : decision),
    });
    const previous = make("button", { textContent: "\u2190", className: "step", ariaLabel: "the one before", onclick: () => move(-1) });
    const next = make("button", { textContent: "\u2192", className: "step", ariaLabel: "the next", onclick: () => move(1) });
    const note = make("input", { id: "note", type: "text", placeholder: "note", value: state.note, maxLength: 500, oninput: (event) => change(item.key, { note: event.target.value }) });
    note.setAttribute("aria-label", "note");
    const side = make("div", {},
      make("h2", { textContent: item.id }),
      make("p", {}, make("span", { className: "why", textContent: item.why || "fine" }), ` ${now + 1} of ${shown.length}`),
      facts(item),
      make("div", { className: "decide" }, previous, button("Accept", "go", "accept"), button("Reject", "no", "reject"), next),
      note, neighbours(item));
    one.append(make("div", {}, pair), side);
    document.querySelectorAll(".card.now").forEach((card) => card.classList.remove("now"));
    const card = $("cards").children[now];
    if (card) card.classList.add("now");
  }
  function paint(card, item) {
    const { decision } = stateOf(item.key);
    card.classList.toggle("accept", decision === "accept");
    card.classList.toggle("reject", decision === "reject");
    card.querySelector(".mark").textContent = { accept: "\u2713", reject: "\u00d7" }[decision] || "";
  }
  function list() {
    const [kind, decided, batch, order] = ["kind", "decided", "batch", "order"].map((id) => $(id).value);
    const current = shown[now];
    shown = items.filter((item) => {
      const { decision } = stateOf(item.key);
      return (kind === "all" || (kind === "doubtful" ? item.why !== "" : item.why === kind.slice(1)))
        && (decided === "all" || (decided === "no" ? !decision : decision === decided))
        && (batch === "" || item.batch === JSON.parse(batch));
    });
    const size = (item) => (item.residual ? Math.hypot(...item.residual) : -1);
    const low = (item) => (item.score === null ? -Infinity : item.score);
    const by = {
      doubt: (a, b) => a.rank - b.rank, score: (a, b) => low(a) - low(b) || a.rank - b.rank, residual: (a, b) => size(b) - size(a),
      place: (a, b) => a.number - b.number,
    };
    shown.sort(by[order]);
    now = Math.max(0, shown.indexOf(current));
    $("cards").replaceChildren(...shown.map((item, place) => {
      const box = shot(item, "after");
      box.append(make("span", { className: "mark" }));
      const card = make("button", { className: "card", onclick: () => { now = place; render(); window.scrollTo({ top: $("one").offsetTop - 8 }); } },
        box, make("span", { className: "name", textContent: item.id }), make("span", { className: "name soft", textContent: item.why || "fine" }));
      paint(card, item);
      return card;
    }));
    render();
  }
  function progress() {
    const done = items.filter((item) => stateOf(item.key).decision);
    const accepted = done.filter((item) => stateOf(item.key).decision === "accept").length;
    $("progress").max = Math.max(1, items.length);
    $("progress").value = done.length;
    const elsewhere = [...new Set([...embedded.keys(), ...own.keys()])].filter((key) => !here.has(key) && stateOf(key).decision).length;
    $("count").textContent = `${done.length} of ${items.length} decided: ${accepted} accepted, ${done.length - accepted} rejected${elsewhere ? `; ${elsewhere} more on indents that are not here` : ""}`;
    const open = [...own.values()].filter((each) => !each.saved).length;
    $("unsaved").textContent = open ? `${open} changed since the file was saved` : "";
  }
  function move(step) {
    if (!shown.length) return;
    now = Math.max(0, Math.min(shown.length - 1, now + step));
    render();
    const card = $("cards").children[now];
    if (card && window.innerWidth > 820) card.scrollIntoView({ block: "nearest" });
    if (card && window.innerWidth > 820) window.scrollTo({ top: Math.min(window.scrollY, $("one").offsetTop - 8) });
  }
  function decide(decision) {
    const item = shown[now];
    if (!item) return;
    change(item.key, { decision });
    paint($("cards").children[now], item);
    if (decision && now + 1 < shown.length) move(1);
    else render();
  }

  // decisions.csv -----------------------------------------------------------------------------------------------------
  const quoted = (text) => (/[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replace(/"/g, '""')}"` : text);
  function csv() {
    const lines = [["id", "batch", "decision", "note"]];
    const keys = new Set([...embedded.keys(), ...own.keys()]);
    [...keys].forEach((key) => {
      const { decision, note } = stateOf(key);
      const [batch, id] = JSON.parse(key);
      if (decision) lines.push([id, batch, decision, note]);
    });
    return `${lines.map((line) => line.map(quoted).join(",")).join("\n")}\n`;
  }
  function parse(text) {
    const rows = [[""]];
    let inside = false;
    const body = text.replace(/^\ufeff/, "");
    for (let i = 0; i < body.length; i += 1) {
      const letter = body[i];
      const row = rows[rows.length - 1];
      if (inside && letter === '"' && body[i + 1] === '"') { row[row.length - 1] += '"'; i += 1; }
      else if (letter === '"') inside = !inside;
      else if (!inside && letter === ",") row.push("");
      else if (!inside && (letter === "\n" || letter === "\r")) { if (!(letter === "\r" && body[i + 1] === "\n")) rows.push([""]); }
      else row[row.length - 1] += letter;
    }
    return rows.filter((row) => row.length > 1 || row[0].trim());
  }
  function take(text, name) {
    const [head, ...rows] = parse(text);
    const at = (column) => (head || []).map((each) => each.trim()).indexOf(column);
    const [id, batch, decision, note] = ["id", "batch", "decision", "note"].map(at);
    if (Math.min(id, batch, decision) < 0) {
      say(`${name} is no table of decisions: wanted the columns id, batch, decision.`);
      return;
    }
    let [taken, strange] = [0, 0];
    rows.forEach((row) => {
      const key = keyOf((row[batch] || "").trim(), (row[id] || "").trim());
      const word = (row[decision] || "").trim().toLowerCase();
      if (!known.has(key) || !["accept", "reject"].includes(word)) { strange += 1; return; }
      own.set(key, { decision: word, note: note < 0 ? "" : (row[note] || ""), saved: false });
      taken += 1;
    });
    remember();
    progress();
    list();
    say(`${taken} decisions taken from ${name}${strange ? `; ${strange} lines are not of these indents, or neither accept nor reject` : ""}.`);
  }
  $("save").onclick = () => {
    const link = make("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "decisions.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    own.forEach((each) => { each.saved = true; });
    remember();
    progress();
    const notes = [...own.values()].filter((each) => each.note && !each.decision).length;
    say(`Saved: move decisions.csv beside located.csv.${notes ? ` ${notes} notes have no decision and are not in it.` : ""}`);
  };
  $("load").onchange = async (event) => {
    const [file] = event.target.files;
    if (file) take(await file.text(), file.name);
    event.target.value = "";
  };

  // Choices and keys --------------------------------------------------------------------------------------------------
  const why = [...new Set(items.map((item) => item.why))].filter((each) => each !== "");
  const option = (value, textContent) => make("option", { value, textContent });
  const count = (test) => items.filter(test).length;
  $("kind").append(option("all", `all here (${items.length})`), option("doubtful", `doubtful (${count((item) => item.why)})`),
    ...why.map((each) => option(`=${each}`, `${each} (${count((item) => item.why === each)})`)), option("=", `fine, a sample (${count((item) => !item.why)})`));
  $("batch").append(option("", "all"), ...[...new Set(items.map((item) => item.batch))].map((each) => option(JSON.stringify(each), each || "(no name)")));
  ["kind", "decided", "batch", "order"].forEach((id) => { $(id).onchange = list; });
  $("contrast").oninput = () => document.querySelectorAll(".shot img").forEach((image) => { image.style.filter = `contrast(${$("contrast").value})`; });
  $("outlines").onchange = () => document.body.classList.toggle("plain", !$("outlines").checked);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input[type=text], select, input[type=range]");
    if (typing) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "note")) event.target.blur();
      return;
    }
    const act = {
      a: () => decide("accept"), r: () => decide("reject"), u: () => decide(""), ArrowLeft: () => move(-1), ArrowRight: () => move(1),
      o: () => $("outlines").click(), n: () => $("note") && $("note").focus(),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  recall();
  progress();
  list();
})();
