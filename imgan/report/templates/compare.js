// The rows of pictures: two of them over each other with a divider, and all of a row zoomed together.
(() => {
  const MOST = 32;
  const make = (parent, tag, name, text = "") => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // The stage: the left picture lies over the right one and is cut off at the divider.
  const overlay = (row) => {
    const over = row.querySelector(".over"), stage = over.querySelector(".stage");
    const sources = [...row.querySelectorAll(".pane img")];
    const slider = over.querySelector("input");
    stage.style.aspectRatio = sources[0].getAttribute("width") + " / " + sources[0].getAttribute("height");
    for (const side of ["right", "left"]) {
      const image = make(side === "left" ? make(stage, "div", "cut") : stage, "img", "");
      const tip = make(stage, "span", "tip " + side);
      const select = over.querySelector("select." + side);
      image.draggable = false;
      const choose = () => {
        const source = sources[select.value];
        image.src = source.src;
        image.alt = source.alt;
        tip.textContent = select.selectedOptions[0].textContent;
      };
      select.addEventListener("change", choose);
      choose();
    }
    make(stage, "div", "divider");
    const divide = (share) => {
      slider.value = 100 * clamp(share, 0, 1);
      stage.style.setProperty("--at", slider.value + "%");
    };
    slider.addEventListener("input", () => divide(slider.value / 100));
    over.hidden = false;
    divide(slider.value / 100);
    return { stage, divide, share: () => slider.value / 100 };
  };

  document.querySelectorAll(".scripted").forEach((text) => { text.hidden = false; });
  for (const row of document.querySelectorAll(".row")) {
    const { stage, divide, share } = overlay(row);
    const views = [...row.querySelectorAll(".view")];
    const bar = row.querySelector(".zoom"), written = bar.querySelector("output");
    let zoom = 1, left = 0, top = 0;  // of the part that is seen, in shares of the picture
    const draw = () => {
      left = clamp(left, 0, 1 - 1 / zoom);
      top = clamp(top, 0, 1 - 1 / zoom);
      for (const view of views) {
        for (const image of view.querySelectorAll("img")) {
          image.style.transform = zoom === 1 ? "" : `scale(${zoom}) translate(${-100 * left}%, ${-100 * top}%)`;
          image.classList.toggle("square", zoom * view.clientWidth > 2 * image.naturalWidth);
        }
      }
      row.classList.toggle("zoomed", zoom > 1);
      written.textContent = (zoom < 10 ? Number(zoom.toFixed(1)) : Math.round(zoom)) + "×";
      bar.querySelector(".in").disabled = zoom === MOST;
      bar.querySelector(".out").disabled = bar.querySelector(".reset").disabled = zoom === 1;
    };
    const move = (across, down) => { left += across / zoom; top += down / zoom; draw(); };
    const zoomTo = (wanted, x = 0.5, y = 0.5) => {
      const next = clamp(wanted < 1.02 ? 1 : wanted, 1, MOST);
      left += x / zoom - x / next;
      top += y / zoom - y / next;
      zoom = next;
      draw();
    };
    const place = (view, event) => {
      const box = view.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    };
    const keys = {
      "+": () => zoomTo(1.5 * zoom), "=": () => zoomTo(1.5 * zoom), "-": () => zoomTo(zoom / 1.5),
      0: () => zoomTo(1), Escape: () => zoomTo(1),
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
      ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    };

    for (const view of views) {
      const held = new Map();  // pointers that are down, where they were last
      let dividing = false;
      view.tabIndex = 0;
      view.classList.add("scripted-view");
      view.setAttribute("role", "group");
      view.setAttribute("aria-label", (view === stage ? "Two pictures, one over the other" : view.firstElementChild.alt) + ": plus and minus zoom, arrows move, 0 goes back");
      view.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && zoom === 1) return;  // the page scrolls
        event.preventDefault();
        const { x, y } = place(view, event);
        zoomTo(zoom * Math.exp(-0.01 * clamp(event.deltaY, -40, 40)), x, y);
      }, { passive: false });
      view.addEventListener("dblclick", () => zoomTo(1));
      view.addEventListener("keydown", (event) => {
        const known = keys[event.key];
        if (!known || event.ctrlKey || event.metaKey || event.altKey) return;
        if (zoom === 1 && event.key.startsWith("Arrow")) return;
        event.preventDefault();
        known();
      });
      view.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        const at = place(view, event);
        held.set(event.pointerId, at);
        const near = Math.abs(at.x - share()) * view.clientWidth < 28;
        dividing = view === stage && held.size === 1 && (near || zoom === 1);
        if (dividing) divide(at.x);
        view.setPointerCapture(event.pointerId);
      });
      view.addEventListener("pointermove", (event) => {
        const before = held.get(event.pointerId);
        if (!before) return;
        const now = place(view, event);
        held.set(event.pointerId, now);
        if (held.size === 2) {
          const other = [...held].find(([id]) => id !== event.pointerId)[1];
          const wide = (one) => Math.hypot((one.x - other.x) * view.clientWidth, (one.y - other.y) * view.clientHeight);
          zoomTo((zoom * wide(now)) / (wide(before) || 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
          if (zoom > 1) move((before.x - now.x) / 2, (before.y - now.y) / 2);
        } else if (dividing) divide(now.x);
        else if (zoom > 1) move(before.x - now.x, before.y - now.y);
      });
      for (const name of ["pointerup", "pointercancel"]) {
        view.addEventListener(name, (event) => { held.delete(event.pointerId); dividing = false; });
      }
    }
    bar.querySelector(".in").addEventListener("click", () => zoomTo(1.5 * zoom));
    bar.querySelector(".out").addEventListener("click", () => zoomTo(zoom / 1.5));
    bar.querySelector(".reset").addEventListener("click", () => zoomTo(1));
    bar.hidden = false;
    row.querySelectorAll("img").forEach((image) => image.addEventListener("load", draw));
    addEventListener("resize", draw);
    draw();
  }
})();
