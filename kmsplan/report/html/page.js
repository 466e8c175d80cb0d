"use strict";
// Filters, sorts and pages the tables of this file. Text goes into the page as text alone: nothing here writes markup.
(() => {
  const FEW = 3, PAGE = 100, PAPER = 1000;
  const collator = new Intl.Collator("en", { numeric: true });
  const plural = (number) => number.toLocaleString("en");
  const grids = [];

  class Grid {
    constructor(root) {
      this.root = root;
      this.body = root.querySelector("tbody");
      this.blank = root.querySelector("template").content.querySelector("tr");
      this.search = root.querySelector("input");
      this.output = root.querySelector("output");
      this.pager = root.querySelector(".pager");
      this.note = root.querySelector(".paper");
      const data = JSON.parse(root.querySelector("script").textContent);
      Object.assign(this, { marks: data.marks, lines: data.lines, rows: data.rows });
      this.order = this.rows.map((_, index) => index);
      this.found = this.order;
      this.page = 0;
      this.chosen = new Map();
      this.listen();
      root.querySelector(".controls").hidden = this.rows.length <= FEW;
      this.show();
    }

    listen() {
      this.search.addEventListener("input", () => this.filter());
      for (const chip of this.root.querySelectorAll("fieldset button")) {
        chip.addEventListener("click", () => this.choose(chip));
      }
      for (const step of this.pager.querySelectorAll("button")) {
        step.addEventListener("click", () => this.turn(Number(step.dataset.step)));
      }
      this.root.querySelectorAll("th").forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        button.addEventListener("click", () => this.sort(head, column));
        head.append(button);
      });
    }

    choose(chip) {
      const column = Number(chip.parentElement.dataset.column) + 1;
      const values = this.chosen.get(column) || new Set();
      const on = chip.getAttribute("aria-pressed") !== "true";
      chip.setAttribute("aria-pressed", String(on));
      if (on) values.add(chip.dataset.value); else values.delete(chip.dataset.value);
      if (values.size) this.chosen.set(column, values); else this.chosen.delete(column);
      this.filter();
    }

    find(words) {
      for (const chip of this.root.querySelectorAll("[aria-pressed=true]")) chip.setAttribute("aria-pressed", "false");
      this.chosen.clear();
      this.search.value = words;
      this.filter();
      const only = this.body.querySelector("details");
      if (only && this.found.length === 1) only.open = true;
      this.search.focus();
    }

    filter() {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const texts = words.length ? this.texts() : [];
      this.found = this.order.filter((index) => {
        for (const [column, values] of this.chosen) if (!values.has(this.rows[index][column])) return false;
        return words.every((word) => texts[index].includes(word));
      });
      this.page = 0;
      this.show();
    }

    texts() {
      this.lower ||= this.rows.map((row) => row.slice(1, -1).join("\n").toLowerCase());
      return this.lower;
    }

    sort(head, column) {
      const up = head.getAttribute("aria-sort") !== "ascending", sign = up ? 1 : -1;
      for (const other of this.root.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = this.rows, cell = column + 1;
      this.order.sort((one, other) => sign * collator.compare(rows[one][cell], rows[other][cell]) || one - other);
      this.filter();
    }

    turn(step) {
      this.page += step;
      this.show();
      const [before, after] = this.pager.querySelectorAll("button");
      if (before.disabled) after.focus(); else if (after.disabled) before.focus();
    }

    show(paper = false) {
      const from = paper ? 0 : this.page * PAGE, to = Math.min(from + (paper ? PAPER : PAGE), this.found.length);
      this.body.replaceChildren(...this.found.slice(from, to).map((index) => this.row(this.rows[index])));
      this.output.value = `${plural(this.found.length)} of ${plural(this.rows.length)} shown`;
      const [before, after] = this.pager.querySelectorAll("button");
      this.pager.hidden = this.found.length <= PAGE;
      this.pager.querySelector("span").textContent = `Rows ${plural(from + 1)} to ${plural(to)} of ${plural(this.found.length)}`;
      before.disabled = from === 0;
      after.disabled = to === this.found.length;
      this.note.hidden = !paper || to === this.rows.length;
      this.note.textContent = `${plural(to)} of ${plural(this.rows.length)} rows: those of the filter, ${plural(PAPER)} at most.`;
      if (paper) for (const one of this.body.querySelectorAll("details")) one.open = true;
    }

    row(values) {
      const row = this.blank.cloneNode(true), [glyph, tone] = this.marks[values[0]];
      row.className = tone;
      const detail = values[values.length - 1], first = row.cells[0];
      const [summary, lines] = [first.querySelector("summary"), first.querySelector("pre")];
      if (detail.length) {
        summary.textContent = values[1];
        lines.replaceChildren(...detail.flatMap((number) => this.line(this.lines[number])));
      } else {
        first.replaceChildren(this.text(values[1]));
      }
      row.querySelector(".glyph").textContent = glyph;
      for (let column = 1; column < row.cells.length; column++) {
        row.cells[column].querySelector("span:last-child:not(.mark)").textContent = values[column + 1];
      }
      return row;
    }

    line([kind, words]) {
      const line = this.text(words);
      line.className = kind;
      return [line, "\n"];
    }

    text(words) {
      const span = document.createElement("span");
      span.textContent = words;
      return span;
    }
  }

  for (const root of document.querySelectorAll(".grid")) grids.push(new Grid(root));
  const paper = (on) => grids.forEach((grid) => grid.show(on));
  window.addEventListener("beforeprint", () => paper(true));
  window.addEventListener("afterprint", () => paper(false));
  matchMedia("print").addEventListener("change", (event) => paper(event.matches));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-find]");
    if (link && grids.length) {
      event.preventDefault();
      const grid = grids.find((one) => one.root.closest("section").id === link.hash.slice(1)) || grids[0];
      grid.root.scrollIntoView();
      grid.find(link.dataset.find);
    }
  });
})();
