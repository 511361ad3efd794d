// A view: layers on each other in um, a border between two of them, zoom and pan.
const CemvisView = (() => {
  const { make, length, roundBelow, legendOf, readout } = CemvisParts;
  function start(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const { layers, extent } = data;
    const find = (what) => figure.querySelector(what);
    const [stage, canvas, divider, box] = [find(".stage"), find(".stage canvas"), find(".divider"), find(".readout")];
    const ink = canvas.getContext("2d");
    const state = { x: 0, y: 0, scale: 1, fit: 1, wide: 1, high: 1, split: 0.5, cross: false, ready: false };
    const shown = () => [layers[find("select.left").value], layers[find("select.right").value]];
    const finest = () => Math.min(...layers.map((layer) => layer.umPerPx || Infinity));
    let asked = 0;

    function clamp() {
      state.scale = Math.min(Math.max(state.scale, state.fit), Math.max(state.fit, 48 / finest()));
      [["x", 0, "wide"], ["y", 2, "high"]].forEach(([axis, at, side]) => {
        const [low, high] = [extent[at], extent[at + 1]];
        const half = state[side] / state.scale / 2;
        state[axis] = 2 * half >= high - low ? (low + high) / 2 : Math.min(high - half, Math.max(low + half, state[axis]));
      });
      stage.classList.toggle("zoomed", state.scale > state.fit * 1.001);
    }
    function fit() {
      state.fit = Math.min(state.wide / (extent[1] - extent[0]), state.high / (extent[3] - extent[2]));
      state.scale = state.fit;
      clamp();
      render();
    }
    function resize() {
      const whole = state.scale <= state.fit * 1.001;
      if (!document.fullscreenElement) { // as high as the image at this width, as far as the screen allows
        const high = stage.clientWidth * (extent[3] - extent[2]) / (extent[1] - extent[0]);
        stage.style.height = `${Math.round(Math.max(200, Math.min(high, 0.78 * window.innerHeight, 900)))}px`;
      } else stage.style.height = "";
      [state.wide, state.high] = [Math.max(1, stage.clientWidth), Math.max(1, stage.clientHeight)];
      const ratio = window.devicePixelRatio || 1;
      [canvas.width, canvas.height] = [Math.round(state.wide * ratio), Math.round(state.high * ratio)];
      state.fit = Math.min(state.wide / (extent[1] - extent[0]), state.high / (extent[3] - extent[2]));
      if (whole) state.scale = state.fit;
      clamp();
      draw(); // at once: a canvas is empty after its size has changed, and printing does not wait
    }
    const toScreen = (x, y) => [(x - state.x) * state.scale + state.wide / 2, (y - state.y) * state.scale + state.high / 2];
    const toPlace = (x, y) => [(x - state.wide / 2) / state.scale + state.x, (y - state.high / 2) / state.scale + state.y];
    function zoom(factor, x = state.wide / 2, y = state.high / 2) {
      const before = state.scale;
      const [px, py] = toPlace(x, y);
      state.scale *= factor;
      clamp();
      [state.x, state.y] = [px - (x - state.wide / 2) / state.scale, py - (y - state.high / 2) / state.scale];
      clamp();
      render();
      return state.scale !== before;
    }
    function move(x, y) {
      state.x -= x / state.scale;
      state.y -= y / state.scale;
      clamp();
      render();
    }
    function splitAt(share) {
      state.split = Math.min(1, Math.max(0, share));
      divider.setAttribute("aria-valuenow", Math.round(100 * state.split));
      render();
    }
    function paint(layer, from, to, ratio) {
      if (!layer || !layer.picture || to <= from) return;
      const [left, right, top, bottom] = layer.extent;
      const [x0, y0] = toScreen(left, top);
      const [x1, y1] = toScreen(right, bottom);
      const screen = layer.umPerPx * state.scale * ratio;
      ink.save();
      ink.beginPath();
      ink.rect(from, 0, to - from, state.high);
      ink.clip();
      ink.imageSmoothingEnabled = layer.kind === "image" ? screen < 6 : screen < 1;
      ink.imageSmoothingQuality = "high";
      ink.drawImage(layer.picture, x0, y0, x1 - x0, y1 - y0);
      ink.restore();
    }
    function dots() {
      const { points } = data;
      if (!points || !find(".show-points").checked) return;
      for (let n = 0; n < points.said.length; n += 1) {
        const [x, y] = toScreen(points.xy[2 * n], points.xy[2 * n + 1]);
        ink.beginPath();
        const size = Math.min(9, Math.max(1.2, 0.9 * state.scale));
        ink.arc(x, y, size, 0, 2 * Math.PI);
        ink.strokeStyle = "rgba(0,0,0,.7)";
        ink.lineWidth = 3;
        if (size > 3) ink.stroke();
        ink.strokeStyle = points.doubtful[n] ? "#ff7f50" : "#56d4ff";
        ink.lineWidth = 1.6;
        ink.stroke();
      }
    }
    function cross() {
      if (!state.cross) return;
      const [x, y] = [state.wide / 2, state.high / 2];
      [["#000", 3.5], ["#fff", 1.5]].forEach(([colour, thick]) => {
        ink.strokeStyle = colour;
        ink.lineWidth = thick;
        ink.beginPath();
        ink.moveTo(x - 12, y); ink.lineTo(x + 12, y); ink.moveTo(x, y - 12); ink.lineTo(x, y + 12);
        ink.stroke();
      });
    }
    function draw() {
      asked = 0;
      const ratio = canvas.width / state.wide;
      ink.setTransform(ratio, 0, 0, ratio, 0, 0);
      ink.clearRect(0, 0, state.wide, state.high);
      const border = state.split * state.wide;
      const [left, right] = shown();
      paint(left, 0, border, ratio);
      paint(right, border, state.wide, ratio);
      dots();
      cross();
      divider.style.left = `${border}px`;
      const um = roundBelow(Math.min(0.3 * state.wide, 170) / state.scale);
      find(".scale .length").textContent = length(um);
      find(".scale .bar").style.width = `${um * state.scale}px`;
    }
    function render() { if (!asked) asked = requestAnimationFrame(draw); }
    function tell(x, y) { if (state.ready) readout(box, data, layers, ...toPlace(x, y), 10 / state.scale); }
    function tellCentre() {
      state.cross = true;
      box.setAttribute("aria-live", "polite");
      tell(state.wide / 2, state.high / 2);
      render();
    }
    function choose() {
      const [left, right] = shown();
      layers.forEach((layer) => { layer.here = null; });
      find(".at-left").textContent = left.name;
      find(".at-right").textContent = right.name;
      divider.setAttribute("aria-valuetext", `${left.name} left, ${right.name} right`);
      find(".legends").replaceChildren(...[...new Set([right, left])].filter((layer) => layer.kind !== "image").map(legendOf));
      render();
    }

    function pointers() {
      const held = new Map();
      const at = (event) => { const area = stage.getBoundingClientRect(); return [event.clientX - area.left, event.clientY - area.top]; };
      stage.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        state.cross = false;
        box.setAttribute("aria-live", "off");
        held.set(event.pointerId, { at: at(event), splits: divider.contains(event.target) });
        stage.setPointerCapture(event.pointerId);
        tell(...at(event));
      });
      stage.addEventListener("pointermove", (event) => {
        const one = held.get(event.pointerId);
        const [x, y] = at(event);
        if (!one) { tell(x, y); return; }
        const [from, others] = [one.at, [...held.entries()].filter(([id]) => id !== event.pointerId)];
        one.at = [x, y];
        if (one.splits) splitAt(x / state.wide);
        else if (others.length) {
          const [ox, oy] = others[0][1].at;
          const apart = ([px, py]) => Math.max(8, Math.hypot(px - ox, py - oy));
          move((x - from[0]) / 2, (y - from[1]) / 2);
          zoom(apart([x, y]) / apart(from), (x + ox) / 2, (y + oy) / 2);
        } else {
          canvas.classList.add("moving");
          move(x - from[0], y - from[1]);
          tell(x, y);
        }
      });
      ["pointerup", "pointercancel"].forEach((name) => stage.addEventListener(name, (event) => { held.delete(event.pointerId); canvas.classList.remove("moving"); }));
      let scrolled = -1e9;
      window.addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
      stage.addEventListener("wheel", (event) => {
        if (performance.now() - scrolled < 300) return; // who scrolls the page past the image goes on scrolling it
        const lines = event.deltaMode === 1 ? 16 : 1;
        if (zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 320), ...at(event))) event.preventDefault();
        tell(...at(event));
      }, { passive: false });
      stage.addEventListener("dblclick", (event) => { if (!divider.contains(event.target)) zoom(2, ...at(event)); });
    }
    function keys() {
      const far = () => 0.12 * Math.min(state.wide, state.high);
      const acts = {
        ArrowLeft: () => move(far(), 0), ArrowRight: () => move(-far(), 0), ArrowUp: () => move(0, far()), ArrowDown: () => move(0, -far()),
        "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit, ",": () => splitAt(state.split - 0.05), ".": () => splitAt(state.split + 0.05),
      };
      const splits = {
        ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1,
      };
      stage.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.target === divider && event.key in splits) splitAt(state.split + splits[event.key]);
        else if (event.target === canvas && event.key in acts) { acts[event.key](); tellCentre(); } else return;
        event.preventDefault();
      });
      canvas.addEventListener("blur", () => { state.cross = false; render(); });
    }
    function buttons() {
      const acts = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, full: () => (document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen()) };
      figure.querySelectorAll("[data-do]").forEach((button) => {
        button.onclick = acts[button.dataset.do];
        if (button.dataset.do === "full" && !document.fullscreenEnabled) button.hidden = true;
      });
      figure.querySelectorAll("select, .show-points").forEach((each) => { each.onchange = choose; });
    }

    pointers();
    keys();
    buttons();
    new ResizeObserver(resize).observe(stage);
    resize();
    fit();
    box.replaceChildren(make("p", { className: "place", textContent: "Preparing the maps\u2026" }));
    return Promise.all(layers.map(CemvisData.prepare)).then(() => {
      state.ready = true;
      choose();
      box.replaceChildren(make("p", { className: "place", textContent: "Point at the image to read its values." }));
      figure.dataset.ready = "yes";
    });
  }
  return { start };
})();
