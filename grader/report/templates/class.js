"use strict";
// Sorts by a column, and shows the rows that hold the words searched for. The tables are right without it.
{
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.disabled = false;
      button.addEventListener("click", () => {
        const number = head.classList.contains("number");
        // Of numbers, the largest first; of words, A first; then the other way round.
        const [first, second] = number ? ["descending", "ascending"] : ["ascending", "descending"];
        const wanted = head.getAttribute("aria-sort") === first ? second : first;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", wanted);
        const sign = wanted === "ascending" ? 1 : -1;
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => {
          const cell = row.cells[column];
          return { row, value: cell.dataset.value ?? cell.textContent.trim() };
        });
        // Who has no number stands last either way.
        rows.sort((a, b) => (a.value === "") - (b.value === "")
          || sign * (number ? a.value - b.value : order.compare(a.value, b.value)));
        body.append(...rows.map(({ row }) => row));
      });
    });
  }

  const [search, missed, count] = ["search", "missed", "count"].map((id) => document.getElementById(id));
  // Whoever searches for "Andre" means André, too.
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const students = [...document.querySelector(".students").tBodies[0].rows].map((row) => ({
    row, text: plain(row.textContent), missed: row.dataset.missed.split(" "),
  }));

  const show = () => {
    const words = plain(search.value).split(/\s+/);
    let shown = 0;
    for (const student of students) {
      const fits = words.every((word) => student.text.includes(word))
        && (missed.value === "" || student.missed.includes(missed.value));
      student.row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${students.length}`;
  };

  search.form.hidden = false;
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", show);
  missed.addEventListener("input", show);
  for (const link of document.querySelectorAll("[data-check]")) {
    link.addEventListener("click", () => {
      search.value = "";
      missed.value = link.dataset.check;
      show();
    });
  }
  // A browser that comes back to a page fills in what stood there.
  window.addEventListener("pageshow", show);
}
