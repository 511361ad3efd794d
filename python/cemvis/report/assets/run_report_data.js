"use strict";
// Grids as they stand in the page: base 64 of deflated codes, low bytes first, each the difference from its left neighbour.
const CemvisData = (() => {
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  async function inflated(text) {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  async function codesOf(layer) {
    const bytes = await inflated(layer.data);
    const all = layer.rows * layer.cols;
    const codes = new Uint16Array(all);
    for (let row = 0, at = 0; row < layer.rows; row += 1) {
      for (let col = 0, sum = 0; col < layer.cols; col += 1, at += 1) {
        sum = (sum + bytes[at] + 256 * bytes[all + at]) & 65535;
        codes[at] = sum;
      }
    }
    return codes;
  }
  const valueOf = (layer, code) => {
    if (code === 0) return NaN;
    return layer.log ? layer.low * Math.exp(layer.step * (code - 1)) : layer.low + layer.step * (code - 1);
  };
  // Where a value lies between the ends of the colours, 0 to 1 and beyond.
  const placeOf = (layer, value) => {
    const [low, high] = layer.range;
    if (layer.even === "ratios" && value <= 0) return -1;
    return layer.even === "ratios" ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  };
  // A colour for each code, so that painting looks up and does not compute.
  function coloured(layer) {
    const colours = bytesOf(layer.colours);
    let most = 0;
    for (const code of layer.codes) if (code > most) most = code;
    const table = new Uint32Array(most + 1);
    const rgba = new Uint8Array(table.buffer);
    const bins = new Float64Array(96);
    const binOf = new Int16Array(most + 1).fill(-1);
    rgba.set([150, 150, 150, 90], 0);
    for (let code = 1; code <= most; code += 1) {
      const place = placeOf(layer, valueOf(layer, code));
      const at = 3 * Math.min(255, Math.max(0, Math.floor(place * 256)));
      rgba.set([colours[at], colours[at + 1], colours[at + 2], 255], 4 * code);
      if (place >= 0 && place <= 1) binOf[code] = Math.min(bins.length - 1, Math.floor(place * bins.length));
    }
    for (const code of layer.codes) if (binOf[code] >= 0) bins[binOf[code]] += 1;
    return { table, bins, colours };
  }
  function classTable(layer) {
    const rgba = new Uint8Array(4 * 256);
    Object.entries(layer.colours).forEach(([number, colour]) => {
      const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      rgba.set([...parts, 255], 4 * Number(number));
    });
    return new Uint32Array(rgba.buffer);
  }
  function painted(layer, table) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [layer.cols, layer.rows];
    const pixels = new Uint32Array(layer.codes.length);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = table[layer.codes[at]];
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), layer.cols, layer.rows), 0, 0);
    return canvas;
  }
  // What a layer is drawn from; a layer is prepared once, when it is first needed.
  async function prepare(layer) {
    if (layer.kind === "image") {
      layer.picture = new Image();
      layer.picture.src = layer.data;
      await layer.picture.decode();
    } else {
      layer.codes = await codesOf(layer);
      layer.data = "";
      const found = layer.kind === "values" ? coloured(layer) : { table: classTable(layer) };
      Object.assign(layer, { bins: found.bins, lut: found.colours });
      layer.picture = painted(layer, found.table);
    }
    const [left, right] = layer.extent;
    layer.umPerPx = (right - left) / (layer.kind === "image" ? layer.picture.naturalWidth : layer.cols);
    return layer;
  }
  function codeAt(layer, x, y) {
    const [left, right, top, bottom] = layer.extent;
    const col = Math.floor((x - left) / (right - left) * layer.cols);
    const row = Math.floor((y - top) / (bottom - top) * layer.rows);
    return col < 0 || row < 0 || col >= layer.cols || row >= layer.rows ? 0 : layer.codes[row * layer.cols + col];
  }
  // 1, 2, 5 times powers of ten for even differences; 1, 1.5, 2, 3, 5, 7 times them for even ratios.
  function ticksOf(layer, most) {
    const [low, high] = layer.range;
    const found = [];
    if (layer.even === "ratios") {
      for (let power = Math.floor(Math.log10(low)); power <= Math.floor(Math.log10(high)); power += 1) {
        [1, 1.5, 2, 3, 5, 7].forEach((step) => { const at = step * 10 ** power; if (at >= low && at <= high) found.push(at); });
      }
      const round = found.filter((at) => [1, 2, 5].includes(Number((at / 10 ** Math.floor(Math.log10(at) + 1e-9)).toFixed(6))));
      return found.length > most && round.length > 1 ? round : found;
    }
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * (1 - 1e-9));
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) found.push(n * step);
    return found;
  }
  const worded = (value) => (Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2) : String(Number(value.toPrecision(Math.abs(value) >= 1000 ? 6 : 3))));
  // Three digits, the last one also where it is 0.
  const digits = (value) => (Math.abs(value) >= 1000 || Math.abs(value) < 1e-3 ? worded(value) : value.toPrecision(3));
  return { prepare, codeAt, valueOf, placeOf, ticksOf, worded, digits };
})();
