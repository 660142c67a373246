/* Fleet map: every cell is a link to its pump, or to the group or part of a group for which it stands. */
(function () {
  "use strict";
  const { tr, number: count, state_name, mark_class } = window.pumpwatch;
  /* A finger needs 24 px; a cell has a margin of 2 px. d-map.css has the height of titles, with the room below. */
  const FINGER = matchMedia("(pointer: coarse)").matches, SMALLEST = FINGER ? 26 : 14, LARGEST = 28, TITLE_PX = 32, GAP_PX = 8, AGAIN_MS = 10_000, PAUSE_MS = 900;
  const ACKNOWLEDGED = 4, RETURNED = 8, SILENT = 16;
  let drawn = null, asked = {};

  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const link = (href, name, text) => {
    const node = make("a", name, text);
    node.href = href;
    node.dataset.go = "";
    return node;
  };

  function class_of(digit) {
    const code = parseInt(digit, 32), names = ["cell", state_name(code & 3)];
    if (code & ACKNOWLEDGED) names.push("acked");
    if (code & RETURNED) names.push("returned");
    if (code & SILENT) names.push("silent");
    return names.join(" ");
  }

  function state_of(digit) {
    const code = parseInt(digit, 32);
    const state = tr(code & ACKNOWLEDGED ? "acknowledged" : code & RETURNED ? "returned, unacknowledged" : "unacknowledged");
    return [code & 3 ? tr(state_name(code & 3)) + ", " + state : "", code & SILENT ? tr("silent") : ""].filter(Boolean).join(", ") || tr("normal");
  }

  function view(group, part) {
    const query = new URLSearchParams();
    if (drawn.cells.by !== "site") query.set("by", drawn.cells.by);
    if (group) query.set("group", group);
    if (part !== undefined) query.set("part", String(part));
    return window.pumpwatch.path("/" + (query.size ? "?" + query : ""));
  }

  function title_of(number, digit) {
    const marked = drawn.cells.marked[number];
    const text = marked ? [marked[0], tr(marked[1] || ""), state_of(digit)].filter(Boolean).join(" · ") : "";
    if (drawn.cells.kind === "pump") return text || drawn.names[number] + " · " + state_of(digit);
    const many = marked ? tr("{abnormal} abnormal, worst {worst}", { abnormal: count(marked[2]), worst: text }) : tr("all normal");
    return drawn.cells.kind === "group" ? drawn.names[number] + ": " + many : tr("Up to {pumps} pumps from {first}", { pumps: count(drawn.cells.per), first: drawn.names[number] }) + ": " + many;
  }

  function href_of(number, block, place) {
    const { kind, group, marked } = drawn.cells;
    if (kind === "group") return view(drawn.names[number]);
    if (kind === "part") return group ? view(group, place) : view(block);
    const pump = marked[number] ? marked[number][0] : drawn.names[number];
    return window.pumpwatch.path("/pump/" + encodeURIComponent(pump));
  }

  function paint(node, number, digit) {
    const group = drawn.cells.kind === "group";
    node.className = class_of(digit) + (group ? " tile" : "");
    node.title = title_of(number, digit);
    if (!group) return;
    const code = parseInt(digit, 32);
    node.firstChild.className = mark_class(state_name(code & 3, code & SILENT), { seen: Boolean(code & ACKNOWLEDGED) });
    node.lastChild.textContent = tr("{part} of {all}", { part: count((drawn.cells.marked[number] || [0, 0, 0])[2]), all: count(drawn.cells.blocks[number][2]) });
  }

  function size_of(box, blocks) {
    const width = box.clientWidth, height = box.clientHeight;
    for (let size = LARGEST; size > SMALLEST; size--) {
      const across = Math.max(1, Math.floor(width / size));
      const used = blocks.reduce((sum, [, codes]) => sum + TITLE_PX + GAP_PX + Math.ceil(codes.length / across) * size, 0);
      if (used <= height) return size;
    }
    return SMALLEST;
  }

  function build(box) {
    const { kind, blocks, group } = drawn.cells;
    box.replaceChildren();
    sized.disconnect();
    sized.observe(box);
    box.style.setProperty("--cell-size", size_of(box, blocks) + "px");
    drawn.nodes = [];
    let cells = make("div", "map-cells tiles");
    if (kind === "group") box.append(cells);
    for (const [name, codes] of blocks) {
      if (kind !== "group") {
        const block = make("section", "map-block"), head = make("h3");
        head.append(group ? make("span", "", name) : link(view(name), "", name), make("span", "note"));
        cells = make("div", "map-cells");
        block.append(head, cells);
        box.append(block);
      }
      [...codes].forEach((digit, place) => {
        const number = drawn.nodes.length, node = link(href_of(number, name, place), "");
        if (kind === "group") node.append(make("span", "mark"), make("b", "", name), make("span", "note"));
        node.tabIndex = number ? -1 : 0;
        drawn.nodes.push(node);
        paint(node, number, digit);
        cells.append(node);
      });
    }
    heads(box);
  }

  function heads(box) {
    box.querySelectorAll(".map-block h3 .note").forEach((note, at) => {
      const [, , pumps, abnormal] = drawn.cells.blocks[at];
      note.textContent = abnormal ? tr("{part} of {all} abnormal", { part: count(abnormal), all: count(pumps) }) : tr("{count} normal", { count: count(pumps) });
    });
  }

  /* Changes only the cells that differ from those on the screen. */
  function update(box, before) {
    const old = before.cells.blocks.map(([, codes]) => codes).join(""), fresh = drawn.cells.blocks.map(([, codes]) => codes).join("");
    drawn.nodes = before.nodes;
    let start = 0;
    drawn.cells.blocks.forEach(([name, codes]) => {
      for (let place = 0; place < codes.length; place++) {
        const number = start + place, marked = drawn.cells.marked[number], was = before.cells.marked[number];
        if (old[number] === fresh[number] && String(marked) === String(was)) continue;
        paint(drawn.nodes[number], number, fresh[number]);
        drawn.nodes[number].href = href_of(number, name, place);
      }
      start += codes.length;
    });
    heads(box);
  }

  function path_to() {
    const place = document.getElementById("map-path"), { by, group, part } = drawn.cells;
    if (!place) return;
    place.replaceChildren();
    if (!group) return;
    const list = window.pumpwatch.path("/pumps?" + new URLSearchParams(by === "site" || by === "gateway" || by === "model" ? { [by]: group } : { search: group }));
    const crumbs = [link(view(""), "", tr("Whole fleet")), part === null ? make("b", "", group) : link(view(group), "", group)];
    if (part !== null) crumbs.push(make("b", "", tr("part {part}", { part: part + 1 })));
    crumbs.forEach((crumb, at) => place.append(...(at ? [make("span", "", " › ")] : []), crumb));
    place.append(link(list, "more", tr("List of these pumps")));
  }

  /* Arrow keys move between cells; Tab leaves the map. */
  function neighbor(at, key) {
    const nodes = drawn.nodes, step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step) return nodes[at + step];
    if (key === "Home") return nodes[0];
    if (key === "End") return nodes[nodes.length - 1];
    const here = nodes[at].getBoundingClientRect(), down = key === "ArrowDown";
    const beyond = (node) => { const place = node.getBoundingClientRect(); return down ? place.top - here.top : here.top - place.top; };
    const ahead = nodes.filter((node) => beyond(node) > 1), row = Math.min(...ahead.map(beyond));
    const aside = (node) => Math.abs(node.getBoundingClientRect().left - here.left);
    return ahead.filter((node) => beyond(node) < row + 1).sort((one, other) => aside(one) - aside(other))[0];
  }

  document.addEventListener("keydown", (event) => {
    const keys = ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"];
    if (!drawn || !drawn.nodes || !keys.includes(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    const at = drawn.nodes.indexOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    const next = neighbor(at, event.key);
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  /* The cells are asked for when any has changed; now and then besides, in case that an answer was lost. */
  document.addEventListener("pumpwatch:live", ({ detail: live }) => {
    const box = document.getElementById("map");
    if (!box || document.hidden || (asked.box === box && Date.now() - asked.at < (asked.key === live.map ? AGAIN_MS : PAUSE_MS))) return;
    asked = { box, key: live.map, at: Date.now() };
    window.dash_clientside.set_props("map-ask", { data: asked.at });
  });
  /* The map gets its final height only when what stands around it has its texts. */
  const sized = new ResizeObserver(([{ target }]) => {
    if (drawn && drawn.box === target) target.style.setProperty("--cell-size", size_of(target, drawn.cells.blocks) + "px");
  });

  function note() {
    const { kind, per, blocks } = drawn.cells;
    if (!blocks.length) return drawn.cells.group ? tr("No pump is in {group} now.", { group: drawn.cells.group }) : tr("No cells: no pump has reported yet.");
    if (kind === "pump") return tr("1 cell = 1 pump");
    if (kind === "group") return tr("1 tile = 1 group with its worst pump; open one to see its pumps");
    return tr("1 cell = {pumps} pumps, drawn as the worst of them; open one to see each", { pumps: count(per) });
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    map(cells, names) {
      const box = document.getElementById("map"), before = drawn;
      if (!cells || !box) return "";
      drawn = { cells, names: names || [], box };
      const same = before && before.box === box && before.names === names && box.childElementCount && before.cells.kind === cells.kind && before.cells.blocks.length === cells.blocks.length;
      if (same) update(box, before); else build(box);
      path_to();
      return note();
    },
  });
})();
