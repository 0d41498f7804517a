// The previews by step: slider, play, arrow keys; the charts follow. And how old the page is.
(() => {
  const written = new Date(document.querySelector("footer time").dateTime);
  const news = document.getElementById("news");
  const tell = () => {
    const minutes = Math.floor((Date.now() - written) / 60000);
    const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
    const [n, unit] = minutes < 60 ? [minutes, "minute"] : minutes < 2880
      ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"];
    news.textContent = "Page written " + (minutes < 1 ? "just now" : words.format(-n, unit)) + ".";
  };
  tell();
  setInterval(tell, 60000);

  const list = document.getElementById("previews");
  const previews = list ? JSON.parse(list.textContent) : [];
  if (previews.length < 2) return;
  const get = (id) => document.getElementById(id);
  const slider = get("at"), picture = get("picture"), play = get("play"), last = previews.length - 1;
  const links = [...document.querySelectorAll(".steps a")];
  const alt = picture.alt.replace(/ at step .*/, "");
  let playing = 0, wanted = last;
  const show = (at) => {
    const [step, file] = previews[at];
    const text = step.toLocaleString("en");
    wanted = at;
    slider.value = at;
    slider.setAttribute("aria-valuetext", "step " + text);
    get("step").textContent = "step " + text;
    get("open").href = file;
    links.forEach((link, i) => link.toggleAttribute("aria-current", i === at));
    const next = new Image();  // swapped when it is there, so that nothing flickers
    next.onload = () => { if (wanted === at) { picture.src = file; picture.alt = alt + " at step " + text; } };
    next.src = file;
    document.dispatchEvent(new CustomEvent("imgan-step", { detail: step }));
  };
  const stop = () => { clearInterval(playing); playing = 0; play.classList.remove("on"); play.setAttribute("aria-label", "Play"); };
  const start = () => {
    if (wanted === last) show(0);
    play.classList.add("on");
    play.setAttribute("aria-label", "Stop");
    playing = setInterval(() => (wanted < last ? show(wanted + 1) : stop()), Math.max(80, Math.min(700, 12000 / last)));
  };
  const move = (by) => { stop(); show(Math.min(last, Math.max(0, wanted + by))); };
  get("scrub").hidden = false;
  slider.value = last;
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  play.addEventListener("click", () => (playing ? stop() : start()));
  links.forEach((link, i) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    stop();
    show(i);
  }));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, button, summary, a") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === " ") { event.preventDefault(); play.click(); }
  });
})();
