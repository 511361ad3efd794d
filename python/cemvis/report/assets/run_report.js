// Tables that sort and copy, and what happens before printing.
(() => {
  const { make } = CemvisParts;
  const valueOf = (cell) => (cell.dataset.v === undefined ? cell.textContent : cell.dataset.v);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const csvOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => quoted(valueOf(cell))).join(",")).join("\n") + "\n";

  function sortBy(table, column, head) {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => {
      const text = valueOf(row.cells[column]);
      return { row, text, number: text.trim() === "" ? NaN : Number(text) };
    });
    const way = rising ? 1 : -1;
    rows.sort((a, b) => {
      const [x, y] = [Number.isNaN(a.number), Number.isNaN(b.number)];
      if (x !== y) return x ? 1 : -1; // what is no number stands last either way
      return way * (x ? a.text.localeCompare(b.text) : a.number - b.number);
    });
    table.tBodies[0].append(...rows.map(({ row }) => row));
  }
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { value: text, readOnly: true });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }
  document.querySelectorAll(".table").forEach((box) => {
    const table = box.querySelector("table");
    table.querySelectorAll("th").forEach((head, column) => { head.querySelector("button").onclick = () => sortBy(table, column, head); });
    box.querySelector("[data-do=copy]").onclick = async () => {
      const done = await copy(csvOf(table));
      box.querySelector(".said").textContent = done ? `${table.tBodies[0].rows.length} rows copied` : "The browser did not allow it";
    };
  });
  document.querySelectorAll("[data-do=large]").forEach((button) => {
    button.onclick = () => button.setAttribute("aria-expanded", String(button.closest(".picture").classList.toggle("large")));
  });
  window.addEventListener("beforeprint", () => document.querySelectorAll("details:not(.record details)").forEach((each) => {
    if (each.querySelector(".origins")) each.open = true;
  }));
  document.querySelectorAll(".view").forEach((figure) => {
    CemvisView.start(figure).catch((error) => {
      figure.querySelector(".readout").replaceChildren(make("p", { className: "message alarming", textContent: `This browser cannot show the maps (${error.message}); a newer one can.` }));
    });
  });
})();
