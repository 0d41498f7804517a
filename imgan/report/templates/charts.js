"use strict";
// A hairline in every chart and the values there: under the pointer, or at the step that the page
// shows (the event "imgan-step"). Without it the legend holds the latest values.
(() => {
  const write = (value, percent) => {
    if (percent) return Math.round(100 * value) + " %";
    if (Number.isInteger(value) || Math.abs(value) >= 1e4) return Math.round(value).toLocaleString("en");
    const size = Math.abs(value);
    return size && size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
  };
  const before = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (xs[middle] <= x) low = middle; else high = middle - 1;
    }
    return low;
  };
  for (const figure of document.querySelectorAll("figure.chart")) {
    const points = JSON.parse(figure.querySelector("script").textContent);
    const svg = figure.querySelector("svg");
    const shown = [...figure.querySelectorAll(".legend b")];
    const latest = shown.map((b) => b.textContent);
    const { width, height } = svg.viewBox.baseVal;
    const line = document.createElementNS(svg.namespaceURI, "line");
    line.setAttribute("class", "hair");
    line.setAttribute("y1", 8);
    line.setAttribute("y2", height - 24);
    svg.append(line);
    const [first, last] = points.span;
    let kept = null;
    const put = (x) => {
      line.style.display = x === null ? "none" : "";
      if (x === null) return shown.forEach((b, i) => { b.textContent = latest[i]; });
      const share = points.left + ((points.right - points.left) * (x - first)) / (last - first || 1);
      line.setAttribute("x1", width * share);
      line.setAttribute("x2", width * share);
      shown.forEach((b, i) => {
        const at = before(points.x[i], x);
        b.textContent = write(points.y[i][at], points.percent);
      });
    };
    put(null);
    document.addEventListener("imgan-step", (event) => { kept = event.detail; put(kept); });
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      const x = first + ((share - points.left) / (points.right - points.left)) * (last - first);
      put(Math.min(last, Math.max(first, x)));
    });
    svg.addEventListener("pointerleave", () => put(kept));
  }
})();
