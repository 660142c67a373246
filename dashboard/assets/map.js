/* Fleet map: one cell per pump or one tile per group of pumps, one block per site; a click opens the pump. */
(function () {
  "use strict";
  const LABEL = 18, GAP_SITE = 10, SMALLEST = 3, LARGEST = 34;
  let drawn = null, hatch_of = {};

  const TOKENS = ["surface", "hatch", "cell", "font", "text", "muted", ...["high", "medium", "low"].flatMap((name) => [name, name + "-fill", "on-" + name])];

  /* Read once per drawing: with thousands of cells, asking for each would take most of a second. */
  function tokens() {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(TOKENS.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  function size_of(sites, width, height) {
    for (let size = LARGEST; size > SMALLEST; size--) {
      const across = Math.floor(width / size);
      const used = sites.reduce((sum, [, codes]) => sum + LABEL + GAP_SITE + Math.ceil(codes.length / across) * size, 0);
      if (used <= height) return size;
    }
    return SMALLEST;
  }

  function hatch(context, ground, line) {
    const key = ground + line;
    if (hatch_of[key]) return hatch_of[key];
    const tile = document.createElement("canvas"), ratio = devicePixelRatio || 1, s = Math.round(5 * ratio);
    tile.width = tile.height = s;
    const pen = tile.getContext("2d");
    pen.fillStyle = ground; pen.fillRect(0, 0, s, s);
    pen.strokeStyle = line; pen.lineWidth = 1.3 * ratio;
    for (const shift of [-s, 0, s]) { pen.beginPath(); pen.moveTo(shift - 1, s + 1); pen.lineTo(shift + s + 1, -1); pen.stroke(); }
    return (hatch_of[key] = context.createPattern(tile, "repeat"));
  }

  function shape(pen, priority, x, y, s) {
    const c = s / 2, r = s * 0.3;
    pen.beginPath();
    if (priority === 1) { pen.moveTo(x + c, y + c - r); pen.lineTo(x + c + r, y + c + r * 0.8); pen.lineTo(x + c - r, y + c + r * 0.8); }
    else if (priority === 2) { pen.moveTo(x + c, y + c - r); pen.lineTo(x + c + r, y + c); pen.lineTo(x + c, y + c + r); pen.lineTo(x + c - r, y + c); }
    else pen.arc(x + c, y + c, r * 0.8, 0, 7);
    pen.closePath(); pen.fill();
  }

  function cell(pen, token, code, x, y, s, gap) {
    const priority = code & 3, acknowledged = code & 4, silent = code & 8, name = ["", "high", "medium", "low"][priority];
    const inner = s - gap;
    if (silent) pen.fillStyle = hatch(pen, token.surface, priority ? token[name] : token.hatch);
    else if (priority && !acknowledged) pen.fillStyle = token[name + "-fill"];
    else pen.fillStyle = token.cell;
    pen.fillRect(x, y, inner, inner);
    if (silent) { pen.strokeStyle = token[priority ? name : "hatch"]; pen.lineWidth = 1; pen.strokeRect(x + 0.5, y + 0.5, inner - 1, inner - 1); }
    if (priority && acknowledged) {
      pen.strokeStyle = token[name]; pen.lineWidth = Math.max(1.5, s / 9);
      const half = pen.lineWidth / 2; pen.strokeRect(x + half, y + half, inner - 2 * half, inner - 2 * half);
    }
    if (priority && s >= 9 && !silent) {
      pen.fillStyle = acknowledged ? token[name] : token["on-" + name];
      shape(pen, priority, x, y, inner);
    }
  }

  /* Paints only the cells that differ; false if more than cells changed. */
  function repaint(before, after) {
    const canvas = document.getElementById("map");
    if (!before || !before.places || !canvas || before.canvas !== canvas || before.names !== after.names || before.scheme !== after.scheme) return false;
    const old = before.cells.sites, sites = after.cells.sites;
    if (old.length !== sites.length || sites.some(([site, codes, pumps, abnormal], n) => site !== old[n][0] || codes.length !== old[n][1].length || pumps !== old[n][2] || abnormal !== old[n][3])) return false;
    const pen = canvas.getContext("2d"), token = tokens(), { size, across, places } = before, gap = size >= 8 ? 2 : 1;
    sites.forEach(([, codes], n) => {
      for (let i = 0; i < codes.length; i++) {
        if (codes[i] === old[n][1][i]) continue;
        const x = (i % across) * size, y = places[n].y + Math.floor(i / across) * size;
        pen.fillStyle = token.surface;
        pen.fillRect(x, y, size, size);
        cell(pen, token, parseInt(codes[i], 16), x, y, size, gap);
      }
    });
    Object.assign(after, { size, across, places, canvas });
    return true;
  }

  function draw() {
    const canvas = document.getElementById("map"), box = document.getElementById("map-box");
    if (!canvas || !box || !drawn) return;
    const ratio = devicePixelRatio || 1, width = box.clientWidth, sites = drawn.cells.sites;
    const size = size_of(sites, width, box.clientHeight), across = Math.max(1, Math.floor(width / size));
    const height = sites.reduce((sum, [, codes]) => sum + LABEL + GAP_SITE + Math.ceil(codes.length / across) * size, 0);
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.width = width + "px"; canvas.style.height = height + "px";
    const pen = canvas.getContext("2d"), gap = size >= 8 ? 2 : 1;
    pen.scale(ratio, ratio);
    const token = tokens();
    drawn.places = [];
    let y = 0, first = 0;
    for (const [site, codes, pumps, abnormal] of sites) {
      pen.font = "600 12px " + token.font; pen.fillStyle = token.text; pen.textBaseline = "top";
      pen.fillText(site, 0, y + 1);
      const after = pen.measureText(site).width + 8;
      pen.font = "12px " + token.font; pen.fillStyle = token.muted;
      pen.fillText(abnormal ? abnormal + " of " + pumps.toLocaleString("en") : pumps.toLocaleString("en") + " normal", after, y + 1);
      y += LABEL;
      drawn.places.push({ y, first, count: codes.length });
      for (let i = 0; i < codes.length; i++) {
        cell(pen, token, parseInt(codes[i], 16), (i % across) * size, y + Math.floor(i / across) * size, size, gap);
      }
      y += Math.ceil(codes.length / across) * size + GAP_SITE;
      first += codes.length;
    }
    Object.assign(drawn, { size, across, canvas });
  }

  function at(event) {
    if (!drawn || !drawn.places) return null;
    const column = Math.floor(event.offsetX / drawn.size);
    if (column >= drawn.across) return null;
    for (const place of drawn.places) {
      const row = Math.floor((event.offsetY - place.y) / drawn.size), index = row * drawn.across + column;
      if (row >= 0 && index < place.count && event.offsetY >= place.y) {
        const number = place.first + index, marked = drawn.cells.marked[number];
        return { serial: marked ? marked[0] : drawn.names[number], title: marked ? marked[1] || "silent, state unknown" : "normal" };
      }
    }
    return null;
  }

  document.addEventListener("mousemove", (event) => {
    if (event.target.id !== "map") return;
    const found = at(event);
    event.target.title = found ? found.serial + " · " + found.title + (drawn.cells.per > 1 ? " (worst of " + drawn.cells.per + ")" : "") : "";
    event.target.style.cursor = found ? "pointer" : "default";
  });
  document.addEventListener("click", (event) => {
    const found = event.target.id === "map" ? at(event) : null;
    if (found && found.serial) window.pumpwatch.go(window.pumpwatch.path("/pump/" + encodeURIComponent(found.serial)));
  });
  window.addEventListener("resize", draw);

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    map(cells, scheme, names) {
      if (!cells) return ["", ""];
      const before = drawn;
      drawn = { cells, names: names || [], scheme };
      if (!repaint(before, drawn)) { hatch_of = {}; requestAnimationFrame(draw); }
      return ["", cells.per > 1 ? "1 tile = " + cells.per + " pumps, color of the worst" : "1 cell = 1 pump"];
    },
  });
})();
