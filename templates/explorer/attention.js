"use strict";
// Draws one attention matrix at a time. Everything that a token could say reaches the page
// as text (textContent, or labels that Python has escaped for Plotly), never as markup.
(() => {
  const record = JSON.parse(document.getElementById("record").textContent);
  const plot = document.getElementById("plot");
  const viewChoice = document.getElementById("view");
  const layerChoice = document.getElementById("layer");
  const headChoice = document.getElementById("head");
  const scaleChoice = document.getElementById("scale");
  const rangeChoice = document.getElementById("range");
  const FONT = 12;
  const pencil = document.createElement("canvas").getContext("2d");
  pencil.font = `${FONT}px ${record.font}`;
  let shown = null; // what is on the screen: layer, index of the matrix, values

  // What Python packed: base64 of zlib.
  async function unpack(id) {
    const text = document.getElementById(id).textContent;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  // A matrix is little-endian 16-bit numbers, 65535 for a weight of 1.
  async function decode(layer, index) {
    const view = new DataView(await unpack(`matrix-${layer}-${index}`));
    const values = new Float32Array(view.byteLength / 2);
    for (let i = 0; i < values.length; i++) values[i] = view.getUint16(2 * i, true) / 65535;
    return values;
  }

  // A mask that no rule says is a byte a cell, of this head or of all.
  const perHead = (layer, index) => (layer.counts.length > 1 ? index : 0);
  async function maskOf(layer, number, index) {
    const id = `mask-${number}-${perHead(layer, index)}`;
    return document.getElementById(id) && new Uint8Array(await unpack(id));
  }

  function allowed(layer, i, j) {
    if (layer.cells) return layer.cells[i * layer.keys + j];
    const { causal, offset, window: reach } = layer.rule;
    const apart = i + offset - j;
    return (!causal || apart >= 0) && (reach === null || Math.abs(apart) < reach)
      && (!layer.key_mask || layer.key_mask[j]);
  }

  // --- the scale. Python decided where each kind of scale begins and ends (scale.py).

  const diverging = () => scaleChoice.value === "uniform";

  function range(layer, index) {
    const { layer: all, whole, view } = layer.ranges[scaleChoice.value];
    return { layer: all, whole, view: view[index] }[rangeChoice.value];
  }

  // What the colour of a cell stands for: its weight, or that times the allowed keys.
  const value = (layer, i, weight) => (diverging() ? weight * layer.counts[perHead(layer, layer.index)][i] : weight);

  function height(number, bottom) {
    if (scaleChoice.value === "linear") return number;
    if (scaleChoice.value === "sqrt") return Math.sqrt(number);
    const within = Math.max(number, bottom);
    return diverging() ? Math.log2(within) : Math.log10(within);
  }

  // The heights of all cells of a picture, from `rows` or `blocks`.
  const heights = (layer, picture, { bottom }) => picture.weights.map((row, r) =>
    row.map((weight, c) => {
      const i = picture.cells ? picture.cells[r][c][0] : r;
      return height(value(layer, i, weight), bottom);
    }));

  // Rows of the picture: the weights, and the mask (1 where masked); NaN leaves a hole.
  function rows(layer, values) {
    const weights = [];
    const masked = [];
    let anyMasked = false;
    for (let i = 0; i < layer.queries; i++) {
      const start = i * layer.keys;
      const row = values.slice(start, start + layer.keys);
      const holes = new Float32Array(layer.keys).fill(NaN);
      for (let j = 0; j < layer.keys; j++) {
        if (!allowed(layer, i, j)) {
          row[j] = NaN;
          holes[j] = 1;
          anyMasked = true;
        }
      }
      weights.push(row);
      masked.push(holes);
    }
    return { weights, masked: anyMasked ? masked : null };
  }

  // --- more cells than pixels: each dot has the colour of its largest value. Plotly alone
  // would draw some of the cells and leave out the others.

  const isDense = (layer, size) => layer.keys > size.width || layer.queries > size.height;

  const whole = (layer) => ({ top: 0, bottom: layer.queries, left: 0, right: layer.keys });

  // The cells that an axis shows from `a` to `b`, as [start, end).
  function visible([a, b], count) {
    const start = Math.max(0, Math.min(count - 1, Math.floor(Math.min(a, b) + 0.5)));
    return [start, Math.max(start + 1, Math.min(count, Math.ceil(Math.max(a, b) + 0.5)))];
  }

  // Where each of at most `room` blocks of the cells in [start, end) begins, and the end.
  function edges(start, end, room) {
    const count = Math.max(1, Math.min(end - start, Math.floor(room)));
    return Array.from({ length: count + 1 }, (_, k) =>
      start + Math.floor((k * (end - start)) / count));
  }

  // Evenly spaced middles: at least a pixel apart, so that Plotly leaves out no block.
  function centers(marks) {
    const count = marks.length - 1;
    const step = (marks[count] - marks[0]) / count;
    return Array.from({ length: count }, (_, k) => marks[0] - 0.5 + (k + 0.5) * step);
  }

  // What `rows` gives, by blocks: their places, and which cell [query, key] each shows.
  function blocks(layer, values, box, size) {
    const down = edges(box.top, box.bottom, size.height);
    const across = edges(box.left, box.right, size.width);
    const picture = { weights: [], masked: [], cells: [], x: centers(across), y: centers(down) };
    let anyMasked = false;
    for (let r = 0; r + 1 < down.length; r++) {
      const row = new Float32Array(across.length - 1).fill(NaN);
      const holes = new Float32Array(across.length - 1).fill(NaN);
      const cells = across.slice(1).map((_, c) => [down[r], across[c]]);
      for (let c = 0; c + 1 < across.length; c++) {
        let most = -1;
        for (let i = down[r]; i < down[r + 1]; i++) {
          for (let j = across[c]; j < across[c + 1]; j++) {
            const weight = values[i * layer.keys + j];
            if (!allowed(layer, i, j) || value(layer, i, weight) <= most) continue;
            most = value(layer, i, weight);
            row[c] = weight;
            cells[c] = [i, j];
          }
        }
        if (!Number.isNaN(row[c])) continue;
        holes[c] = 1;
        anyMasked = true;
      }
      picture.weights.push(row);
      picture.masked.push(holes);
      picture.cells.push(cells);
    }
    const most = (marks) => Math.max(...marks.slice(1).map((end, k) => end - marks[k]));
    picture.most = [most(down), most(across)];
    if (!anyMasked) picture.masked = null;
    return picture;
  }

  // Labels of the tokens in [start, end) of an axis that Plotly takes for numbers.
  function tokenTicks(labels, [start, end], nticks) {
    const step = Math.ceil((end - start) / nticks);
    const tickvals = [];
    for (let i = Math.ceil(start / step) * step; i < end; i += step) tickvals.push(i);
    return { tickmode: "array", tickvals, ticktext: tickvals.map((i) => labels[i]) };
  }

  function showBlocks(picture) {
    const legend = document.getElementById("legend-blocks");
    legend.hidden = !picture.most || Math.max(...picture.most) === 1;
    if (legend.hidden) return;
    legend.textContent =
      `each dot shows the largest of up to ${picture.most.join(" × ")} weights; zoom in to see each`;
  }

  // After a zoom: what is in sight, as finely as there are pixels for it.
  async function refine() {
    if (!shown || !shown.picture.cells) return;
    const { layer, values, size } = shown;
    const { xaxis, yaxis } = plot.layout;
    const [left, right] = visible(xaxis.range, layer.keys);
    const [top, bottom] = visible(yaxis.range, layer.queries);
    const key = [top, bottom, left, right].join();
    if (shown.key === key) return;
    const picture = blocks(layer, values, { top, bottom, left, right }, size);
    shown = { ...shown, picture, key };
    const ticks = !layer.tokens ? {} : {
      xaxis: { ...xaxis, ...tokenTicks(size.keys, [left, right], size.columns) },
      yaxis: { ...yaxis, ...tokenTicks(size.queries, [top, bottom], size.rows) },
    };
    const places = { x: [picture.x], y: [picture.y] };
    const z = heights(layer, picture, range(layer, shown.index));
    const customdata = picture.weights.map((row) => Array.from(row));
    await Plotly.update(plot, { ...places, z: [z], customdata: [customdata] }, ticks, [0]);
    if (plot.data.length > 1) {
      const none = picture.weights.map((row) => new Float32Array(row.length).fill(NaN));
      await Plotly.restyle(plot, { ...places, z: [picture.masked || none] }, [1]);
    }
    showBlocks(picture);
  }

  const widest = (labels) =>
    labels.reduce((most, label) => Math.max(most, pencil.measureText(label).width), 0);

  // Plotly reads some tags and entities in labels; this makes any text show literally.
  const literal = (text) =>
    text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Labels that take at most `most` pixels. They begin with the position, so that they stay
  // different from one another.
  function cut(labels, most) {
    return labels.map((label, i) => {
      let kept = [...label];
      if (pencil.measureText(label).width <= most) return label;
      const least = String(i).length + 2;
      while (kept.length > least && pencil.measureText(kept.join("") + "…").width > most) {
        kept.pop();
      }
      return kept.join("") + "…";
    });
  }

  // Margins, size and label density, so that cells are square and no labels overlap.
  function geometry(layer) {
    const main = document.querySelector("main");
    const aside = window.matchMedia("(max-width: 900px)").matches ? 0 : 270 + 28;
    const room = main.clientWidth - aside;
    const most = Math.min(240, Math.max(60, 0.3 * room));
    const queries = cut(layer.query_labels, most);
    const keys = cut(layer.key_labels, 240);
    const queryWidth = widest(queries);
    const keyWidth = widest(keys);
    const margin = { l: Math.ceil(queryWidth) + 42, r: 96, t: 34, b: 0, pad: 0 };
    const across = Math.max(100, room - margin.l - margin.r);
    const tokens = layer.tokens;
    const upright = tokens && keyWidth + 8 > across / layer.keys;
    margin.b = Math.ceil(upright ? keyWidth : 1.4 * FONT) + 44;
    const top = plot.getBoundingClientRect().top + window.scrollY;
    const tallest = Math.max(320, window.innerHeight - top - margin.t - margin.b - 50);
    const cell = Math.min(across / layer.keys, tallest / layer.queries, 90);
    const width = Math.max(cell * layer.keys, Math.min(across, 150));
    const height = Math.max(cell * layer.queries, 110);
    return {
      queries: queries.map(literal),
      keys: keys.map(literal),
      margin,
      width,
      height,
      angle: upright ? -90 : 0,
      columns: Math.max(1, Math.floor(width / (upright ? 1.4 * FONT : keyWidth + 14))),
      rows: Math.max(1, Math.floor(height / (1.4 * FONT))),
    };
  }

  function axis(labels, tokens, count, title, nticks) {
    const common = {
      title: { text: title, standoff: 8, font: { size: 13, color: record.quiet } },
      nticks,
      tickfont: { size: FONT },
      showgrid: false,
      zeroline: false,
      ticks: "outside",
      ticklen: 3,
      tickcolor: record.frame,
      linecolor: record.frame,
      linewidth: 1,
      mirror: true,
    };
    const range = [-0.5, count - 0.5];
    if (tokens) return { ...common, type: "category", categoryarray: labels, range };
    const linear = { ...common, type: "linear", range, tickformat: "d" };
    return count <= nticks ? { ...linear, dtick: 1 } : linear;
  }

  function layout(layer, size) {
    const dense = isDense(layer, size);
    const named = layer.tokens && !dense;
    const x = axis(size.keys, named, layer.keys, "key", size.columns);
    const y = axis(size.queries, named, layer.queries, "query", size.rows);
    if (dense && layer.tokens) {
      Object.assign(x, tokenTicks(size.keys, [0, layer.keys], size.columns));
      Object.assign(y, tokenTicks(size.queries, [0, layer.queries], size.rows));
    }
    x.tickangle = size.angle;
    y.range = [...y.range].reverse(); // the first query is on top
    const bars = padded(layer).map(([start, end]) => ({
      type: "rect", xref: "paper", yref: "y", x0: 1, x1: 1 + 5 / size.width,
      y0: start - 0.5, y1: end - 0.5, fillcolor: record.padded, line: { width: 0 },
    }));
    const outlines = expected(layer).flatMap(([i, j]) => [
      [record.casing, 4.4], [record.expected, 2],
    ].map(([color, width]) => {
      const [dx, dy] = [2.2 * layer.keys / size.width, 2.2 * layer.queries / size.height];
      return {
        type: "rect", xref: "x", yref: "y", line: { color, width },
        x0: j - 0.5 + dx, x1: j + 0.5 - dx, y0: i - 0.5 + dy, y1: i + 0.5 - dy,
      };
    }));
    return {
      width: size.width + size.margin.l + size.margin.r,
      height: size.height + size.margin.t + size.margin.b,
      margin: size.margin,
      xaxis: x,
      yaxis: y,
      shapes: [...bars, ...outlines],
      font: { family: record.font, color: record.ink },
      paper_bgcolor: "white",
      plot_bgcolor: "white",
      dragmode: "zoom",
      hoverlabel: { align: "left", font: { family: record.font } },
    };
  }

  const expected = (layer) => layer.expected || [];

  // Runs of padded queries as [start, end).
  function padded(layer) {
    const runs = [];
    (layer.query_mask || []).forEach((valid, i) => {
      if (valid) return;
      const last = runs[runs.length - 1];
      if (last && last[1] === i) last[1] = i + 1;
      else runs.push([i, i + 1]);
    });
    return runs;
  }

  function traces(layer, picture, scale, size) {
    const [x, y] = picture.cells ? [picture.x, picture.y] : layer.tokens
      ? [size.keys, size.queries]
      : [[...Array(layer.keys).keys()], [...Array(layer.queries).keys()]];
    // A dot of many cells has no place of its own; the panel "Cell" names the one it shows.
    const place = picture.cells ? "" : "query %{y}<br>key %{x}<br>";
    const heat = {
      type: "heatmap", x, y, z: heights(layer, picture, scale),
      customdata: picture.weights.map((row) => Array.from(row)),
      zmin: scale.ends[0], zmax: scale.ends[1],
      colorscale: diverging() ? record.diverging_colors : record.colors, hoverongaps: false,
      hovertemplate: place + "weight %{customdata:.4f}<extra></extra>",
      colorbar: {
        title: { text: scale.title, side: "right", font: { size: 13, color: record.quiet } },
        thickness: 14, len: 1, outlinecolor: record.frame, outlinewidth: 1,
        x: 1, xpad: 18, y: 0.5, ypad: 0, tickfont: { size: 11 },
        tickvals: scale.ticks, ticktext: scale.labels,
      },
    };
    const holes = picture.masked && {
      type: "heatmap", x, y, z: picture.masked, zmin: 0, zmax: 1, showscale: false,
      colorscale: [[0, record.masked], [1, record.masked]], hoverongaps: false,
      hovertemplate: place + "masked<extra></extra>",
    };
    return holes ? [heat, holes] : [heat];
  }

  const title = (layer, index) =>
    index > 0 ? `head ${index - 1}`
      : layer.heads.length === 1 ? "the only head" : `average of ${layer.heads.length} heads`;

  function showMetrics(layer, index) {
    const of = record.batch > 1 ? ", mean over the batch" : "";
    document.getElementById("metrics-of").textContent = title(layer, index) + of;
    for (const cell of document.querySelectorAll("[data-metric]")) {
      const heads = index === 0 ? layer.heads : [layer.heads[index - 1]];
      const known = heads.map((h) => h[cell.dataset.metric] ?? null).filter((v) => v !== null);
      const mean = known.reduce((sum, v) => sum + v, 0) / known.length;
      cell.textContent = known.length ? mean.toFixed(3) : "n/a";
    }
  }

  function showScale({ note }) {
    const { kind, why } = record.chosen;
    const because = why && kind === scaleChoice.value ? `; chosen because ${why}` : "";
    document.getElementById("legend-scale").textContent = note + because;
  }

  function showCell(point) {
    const text = (tokens, i) => (tokens ? `${i}  ${tokens[i]}` : String(i));
    const [i, j] = point || [];
    const layer = shown && shown.layer;
    const set = (id, value) => { document.getElementById(id).textContent = value; };
    set("cell-query", point ? text(layer.query_tokens, i) : "–");
    set("cell-key", point ? text(layer.key_tokens, j) : "–");
    const weight = point && shown.values[i * layer.keys + j];
    const open = point && allowed(layer, i, j);
    set("cell-weight", point ? (open ? weight.toFixed(4) : "masked") : "–");
  }

  // The layers of the chosen view; the one at the same place stays chosen.
  function fillLayers() {
    const before = record.layers[layerChoice.value];
    const of = (view) => record.layers.flatMap((layer, i) => (layer.view === view ? [i] : []));
    const place = before ? of(before.view).indexOf(Number(layerChoice.value)) : 0;
    const indices = of(Number(viewChoice.value));
    layerChoice.replaceChildren(...indices.map((i) => new Option(record.layers[i].name, i)));
    layerChoice.value = indices[Math.min(place, indices.length - 1)];
  }

  function fillHeads() {
    const layer = record.layers[layerChoice.value];
    const before = headChoice.value;
    headChoice.replaceChildren();
    layer.heads.forEach((_, i) => {
      if (i === 0) headChoice.append(new Option(title(layer, 0), 0));
      headChoice.append(new Option(title(layer, i + 1), i + 1));
    });
    headChoice.value = before !== "" && before <= layer.heads.length ? before : 0;
  }

  let turn = 0; // a slower, older request must not overwrite a newer one
  async function show() {
    const mine = ++turn;
    const number = Number(layerChoice.value);
    const index = Number(headChoice.value);
    const layer = record.layers[number];
    const values = await decode(number, index);
    const cells = await maskOf(layer, number, index);
    if (mine !== turn) return;
    Object.assign(layer, { cells, index });
    const size = geometry(layer);
    const picture = isDense(layer, size)
      ? blocks(layer, values, whole(layer), size) : rows(layer, values);
    const key = Object.values(whole(layer)).join();
    shown = { layer, index, values, size, picture, key };
    const scale = range(layer, index);
    const config = {
      displaylogo: false,
      displayModeBar: true,
      modeBarButtons: [
        ["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"],
      ],
      toImageButtonOptions: { format: "svg", filename: `${layer.name}_${title(layer, index)}` },
    };
    await Plotly.react(plot, traces(layer, picture, scale, size), layout(layer, size), config);
    showMetrics(layer, index);
    showBlocks(picture);
    showScale(scale);
    showCell(null);
    document.getElementById("legend-masked").hidden = !picture.masked;
    document.getElementById("legend-expected").hidden = expected(layer).length === 0;
    document.getElementById("legend-padded").hidden = padded(layer).length === 0;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Attention of ${layer.name}, ${title(layer, index)}`);
    const address = `#layer=${number}&head=${index === 0 ? "average" : index - 1}`;
    history.replaceState(null, "", address);
    plot.dataset.scale = `${scaleChoice.value} ${rangeChoice.value}`;
    plot.dataset.shown = `${layer.name} ${index === 0 ? "average" : index - 1}`;
  }

  function readAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const layer = record.layers[Number(wanted.get("layer"))] ? Number(wanted.get("layer")) : 0;
    viewChoice.value = record.layers[layer].view;
    fillLayers();
    layerChoice.value = layer;
    fillHeads();
    const named = wanted.has("head") ? Number(wanted.get("head")) : record.head ?? -1;
    const head = named + 1;
    const known = head <= record.layers[layerChoice.value].heads.length;
    headChoice.value = known && head > 0 ? head : 0;
  }

  const report = (problem) => {
    const line = document.getElementById("problem");
    line.textContent = `This picture could not be drawn: ${problem}`;
    line.hidden = false;
  };
  const draw = () => show().catch(report);

  viewChoice.addEventListener("change", () => { fillLayers(); fillHeads(); draw(); });
  layerChoice.addEventListener("change", () => { fillHeads(); draw(); });
  headChoice.addEventListener("change", draw);
  scaleChoice.addEventListener("change", draw);
  rangeChoice.addEventListener("change", draw);
  window.addEventListener("hashchange", () => { readAddress(); draw(); });
  let pending = 0;
  window.addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(draw, 150);
  });

  readAddress();
  draw().then(() => {
    if (!shown) return;
    plot.on("plotly_hover", (event) => {
      const [row, column] = event.points[0].pointIndex || event.points[0].pointNumber;
      const { cells } = shown.picture;
      showCell(cells ? cells[row][column] : [row, column]);
    });
    plot.on("plotly_relayout", () => refine().catch(report));
    plot.on("plotly_unhover", () => showCell(null));
  });
})();
