// Draws the figures in the colours of the scheme in use, and makes the table of trials sortable.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    for (const [id, figure] of Object.entries(figures)) {
      const { data, layout } = coloured(figure, style);
      Plotly.react(id, data, layout, { displayModeBar: false, responsive: true });
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  const table = document.getElementById("trials");
  if (!table) return;
  const body = table.tBodies[0];
  const said = document.getElementById("sorted");

  const sortBy = (header) => {
    const headers = [...header.parentNode.children];
    const column = headers.indexOf(header);
    const before = header.getAttribute("aria-sort");
    const order = before ? (before === "ascending" ? "descending" : "ascending") : header.dataset.first;
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    const side = order === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const [left, right] = [value(a), value(b)];
      if (left === "" || right === "") return (left === "") - (right === ""); // nothing there: always last
      const [x, y] = [Number(left), Number(right)];
      return side * (Number.isNaN(x) || Number.isNaN(y) ? left.localeCompare(right) : x - y);
    };
    body.append(...[...body.rows].sort(compare));
    said.textContent = `Sorted by ${header.textContent.trim()}, ${order}`;
  };
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(header));
  }

  const more = document.getElementById("more");
  if (body.rows.length > 20) {
    table.classList.add("short");
    more.hidden = false;
    more.addEventListener("click", () => {
      table.classList.remove("short");
      more.hidden = true;
    });
  }
})();
