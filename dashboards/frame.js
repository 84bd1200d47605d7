// Draws the figures that the page around this frame sends, and tells it how tall they are. Nothing else is known here:
// the frame is sandboxed, without an origin, and can reach nothing of the page or of the service.
(() => {
  const place = document.getElementById("figures");
  const shown = new Map(); // by key: what it was drawn from, and where
  let figures = [];

  const made = (key) => {
    const figure = document.createElement("figure");
    const title = document.createElement("h3");
    const plot = document.createElement("div");
    const caption = document.createElement("figcaption");
    figure.className = "figure";
    plot.className = "plot";
    plot.setAttribute("role", "img");
    figure.append(title, plot, caption);
    place.append(figure);
    const parts = { figure, title, plot, caption };
    shown.set(key, parts);
    return parts;
  };

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const wanted = new Set(figures.map((one) => one.key));
    for (const [key, parts] of shown) {
      if (!wanted.has(key)) {
        Plotly.purge(parts.plot);
        parts.figure.remove();
        shown.delete(key);
      }
    }
    for (const one of figures) {
      const parts = shown.get(one.key) ?? made(one.key);
      parts.title.textContent = one.title;
      parts.caption.textContent = one.caption;
      parts.plot.setAttribute("aria-label", `${one.title}. ${one.caption}`);
      const { data, layout } = coloured(one.figure, style);
      Plotly.react(parts.plot, data, layout, { displayModeBar: false, responsive: true });
    }
    for (const one of figures) place.append(shown.get(one.key).figure); // in their order
    tell();
  };

  const tell = () => parent.postMessage({ height: Math.ceil(place.getBoundingClientRect().height) + 4 }, "*");

  addEventListener("message", (event) => {
    if (event.source !== parent || !Array.isArray(event.data?.figures)) return;
    figures = event.data.figures;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(tell).observe(place);
  parent.postMessage({ ready: true }, "*");
})();
