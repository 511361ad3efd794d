// Beside a view: legends with the distribution of their values, and what lies under the cursor.
const CemvisParts = (() => {
  const make = (name, options, ...children) => {
    const node = Object.assign(document.createElement(name), options);
    node.append(...children);
    return node;
  };
  const length = (um) => {
    const [factor, unit] = [[1e4, "cm"], [1e3, "mm"], [1, "\u00b5m"], [1e-3, "nm"]].find(([each]) => um >= each * (1 - 1e-9)) || [1e-3, "nm"];
    return `${Number((um / factor).toPrecision(6))} ${unit}`;
  };
  const roundBelow = (most) => {
    const power = 10 ** Math.floor(Math.log10(most));
    return [5, 2, 1].find((step) => step * power <= most * (1 + 1e-9)) * power;
  };

  function legendOf(layer) {
    const box = make("div", { className: "legend" });
    if (layer.kind === "classes") {
      box.append(make("h4", { textContent: layer.name }), make("ul", {}, ...Object.entries(layer.legend).filter(([number]) => layer.colours[number]).map(([number, text]) => {
        const swatch = make("span", { className: "swatch" });
        swatch.style.background = layer.colours[number];
        return make("li", {}, swatch, make("span", { textContent: text }));
      })));
      return box;
    }
    const canvas = make("canvas", { width: 2 * 96 * 3, height: 148, role: "img", ariaLabel: `Colours and distribution of ${layer.name}, ${CemvisData.worded(layer.range[0])} to ${CemvisData.worded(layer.range[1])} ${layer.unit}` });
    const ink = canvas.getContext("2d");
    const most = Math.max(1, ...layer.bins);
    const wide = canvas.width / layer.bins.length;
    layer.bins.forEach((count, bin) => {
      const at = 3 * Math.min(255, Math.floor((bin + 0.5) / layer.bins.length * 256));
      ink.fillStyle = `rgb(${layer.lut[at]},${layer.lut[at + 1]},${layer.lut[at + 2]})`;
      const high = 112 * count / most;
      ink.fillRect(bin * wide, 116 - high, wide + 0.5, high);
      ink.fillRect(bin * wide, 122, wide + 0.5, 26);
    });
    const here = make("span", { className: "here", hidden: true });
    const ticks = make("div", { className: "ticks", ariaHidden: "true" });
    CemvisData.ticksOf(layer, 6).forEach((value) => {
      const tick = make("span", { textContent: CemvisData.worded(value) });
      tick.style.left = `${100 * CemvisData.placeOf(layer, value)}%`;
      ticks.append(tick);
    });
    box.append(make("h4", { textContent: layer.unit ? `${layer.name} (${layer.unit})` : layer.name }), make("div", { className: "plot" }, canvas, here), ticks,
      make("p", { className: "soft", textContent: `Equal ${layer.even} of colour ${layer.shared ? "over the same values on all maps of this property" : "from the 1st to the 99th percentile"}; bars: share of the cells.` }));
    layer.here = here;
    return box;
  }

  function pointAt(points, x, y, within) {
    let [best, found] = [within * within, -1];
    for (let n = 0; points && n < points.said.length; n += 1) {
      const far = (points.xy[2 * n] - x) ** 2 + (points.xy[2 * n + 1] - y) ** 2;
      if (far < best) [best, found] = [far, n];
    }
    return found;
  }

  function readout(box, data, layers, x, y, near) {
    const list = make("dl");
    const said = (name, ...what) => list.append(make("div", {}, make("dt", { textContent: name }), ...what));
    layers.filter((layer) => layer.codes && layer.kind === "values").forEach((layer) => {
      const value = CemvisData.valueOf(layer, CemvisData.codeAt(layer, x, y));
      if (layer.here) {
        const place = CemvisData.placeOf(layer, value);
        layer.here.hidden = !Number.isFinite(value);
        layer.here.style.left = `${100 * Math.min(1, Math.max(0, place))}%`;
      }
      if (layer.spreadOf) return;
      const spread = layers.find((other) => other.spreadOf === layer.name && other.codes);
      const half = spread ? CemvisData.valueOf(spread, CemvisData.codeAt(spread, x, y)) : NaN;
      const text = Number.isFinite(value) ? `${CemvisData.digits(value)} ` : "not mapped";
      const small = Number.isFinite(value) ? `${Number.isFinite(half) ? `\u00b1 ${CemvisData.digits(half)} ` : ""}${layer.unit}` : "";
      said(layer.name, make("dd", {}, text, make("small", { textContent: small })));
    });
    layers.filter((layer) => layer.codes && layer.kind === "classes").forEach((layer) => {
      const code = CemvisData.codeAt(layer, x, y);
      const texts = layer.bits ? Object.entries(layer.legend).filter(([bit]) => code & Number(bit)).map(([, text]) => text) : [layer.legend[code]];
      if (texts[0]) said(layer.name, make("dd", { className: "words", textContent: texts.join("; ") }));
    });
    const point = pointAt(data.points, x, y, near);
    if (point >= 0) said(data.points.name, make("dd", { className: "words", textContent: data.points.said[point] }));
    box.replaceChildren(make("p", { className: "place", textContent: `x ${x.toFixed(2)} \u00b5m, y ${y.toFixed(2)} \u00b5m` }), list);
  }
  return { make, length, roundBelow, legendOf, readout };
})();
