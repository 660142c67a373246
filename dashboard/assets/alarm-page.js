/* Page of alarms: filters, groups, selection and actions, all in the browser; the server is asked for changes and told the actions. */
(function () {
  "use strict";
  const { lang } = window.pumpwatch;
  const NARROW = matchMedia("(max-width: 899px)"), ROW = 52, HEAD = 44, MORE_MS = 2000, ORDERS_MS = 10000, MAX_OPTIONS = 1000;
  const ticked = new Set(), open_groups = new Set();
  const asked_at = { log: 0, row: 0, orders: 0 };
  let page = null, shown_options = {}, last_ticked = null;
  const P = () => window.pumpwatch, dash = () => window.dash_clientside;

  /* The page as it is in the document now; made anew when a person comes back to it. */
  function opened() {
    const box = document.getElementById("alarm-list");
    if (!box || (page && page.box === box)) return box && page;
    const spec = JSON.parse(box.dataset.spec), store = P().rows_of(JSON.parse(box.dataset.path));
    page = { box, spec, store, rows: [], chosen: {}, opened_row: null };
    ticked.clear();
    shown_options = {};
    const options = {
      words: spec, texts: store.texts, open: (row) => { page.list.make_current(row.alarm); open_drawer(row); },
      ticked: (row) => ticked.has(row.alarm), tick, acknowledge: (row) => acknowledge([row]),
    };
    page.list = new (P().KeyedList)(box, {
      height: (item) => (item.group ? (NARROW.matches ? P().head_height() : HEAD) : NARROW.matches ? P().card_height() : ROW),
      make: (item) => (item.group ? P().alarm_group({ words: spec, ticked: (rows) => rows.filter((row) => ticked.has(row.alarm)).length, tick: tick_group, toggle, act: request }) : P().alarm_row(options)),
      moved: (item) => { if (item && item.row && !drawer().hidden) open_drawer(item.row); },
      keys: {
        open: (item) => (item.group ? toggle(item) : open_drawer(item.row)),
        tick: (item) => (item.group ? tick_group(item) : tick(item.row)),
        acknowledge: (item) => { const rows = item.group ? item.rows.filter(P().waiting) : [item.row].filter(P().waiting); if (rows.length) item.group ? request("acknowledge", rows) : acknowledge(rows); },
      },
    });
    page.tools = P().alarm_tools(document.getElementById("alarm-tools"), spec, { all: tick_all, none: clear, act: (kind) => request(kind, chosen().filter((row) => spec.actions[kind].states.includes(row.state))) });
    return page;
  }

  const drawer = () => document.getElementById("alarm-drawer");
  function open_drawer(row, again) {
    if (again || page.opened_row !== row.alarm) { asked_at.row = Date.now(); dash().set_props("alarm-current", { data: { alarm: row.alarm, n: asked_at.row } }); }
    page.opened_row = row.alarm;
    drawer().hidden = false;
    document.getElementById("alarm-split").classList.add("with-drawer");
  }
  function close_drawer() {
    if (!page || !drawer() || drawer().hidden) return;
    const inside = drawer().contains(document.activeElement);
    drawer().hidden = true;
    page.opened_row = null;
    document.getElementById("alarm-split").classList.remove("with-drawer");
    if (inside && page.list.current !== null) page.list.go(page.list.places.get(page.list.current) ?? 0);
  }

  const chosen = () => page.rows.filter((row) => ticked.has(row.alarm));
  function tick(row, range) {
    const on = !ticked.has(row.alarm), at = page.rows.indexOf(row), from = range && last_ticked ? page.rows.findIndex((one) => one.alarm === last_ticked) : at;
    const between = from < 0 ? [row] : page.rows.slice(Math.min(from, at), Math.max(from, at) + 1);
    for (const one of between) if (on) ticked.add(one.alarm); else ticked.delete(one.alarm);
    last_ticked = row.alarm;
    redraw();
  }
  function tick_group(item) {
    const all = item.rows.every((row) => ticked.has(row.alarm));
    for (const row of item.rows) if (all) ticked.delete(row.alarm); else ticked.add(row.alarm);
    redraw();
  }
  function tick_all(on) { ticked.clear(); if (on) for (const row of page.rows) ticked.add(row.alarm); redraw(); }
  function clear() { ticked.clear(); redraw(); }
  function toggle(item) { if (open_groups.has(item.key)) open_groups.delete(item.key); else open_groups.add(item.key); show(); }
  function redraw() { page.list.repaint(); page.tools.paint(page.rows, chosen(), page.store); }

  function acknowledge(rows) { P().pending.ask(rows, page.spec.actions.acknowledge.word); dash().set_props("ack", { data: { alarms: rows.map((row) => row.alarm), n: Date.now() } }); clear(); }
  function request(kind, rows) { P().request(kind, rows); }

  function matches(row) {
    const { filter, search, priority, rule, site, gateway } = page.chosen;
    if (!(page.spec.filters[filter] || page.spec.filters.all).includes(row.state)) return false;
    if ((priority && String(row.priority) !== priority) || (rule && row.rule !== rule) || (site && row.site !== site) || (gateway && row.gateway !== gateway)) return false;
    const wanted = (search || "").trim().toLowerCase();
    return !wanted || [row.subject, row.site, row.gateway, (page.store.texts[row.rule] || [""])[0]].some((value) => value && value.toLowerCase().includes(wanted));
  }

  /* Works out what is shown, and draws it. Rows that leave the list lose their tick. */
  function show() {
    if (!page || !page.list.alive) return;
    page.rows = page.store.ordered().filter(matches);
    const here = new Set(page.rows.map((row) => row.alarm));
    for (const alarm of ticked) if (!here.has(alarm)) ticked.delete(alarm);
    const by = page.chosen.group, title = (row) => (page.store.texts[row.rule] || [row.rule])[0];
    page.list.show(by && by !== "none" ? P().alarm_groups(page.rows, by, title, open_groups) : page.rows.map((row) => ({ key: row.alarm, row })));
    page.tools.paint(page.rows, chosen(), page.store);
    const nothing = document.getElementById("alarm-nothing");
    const some = !page.store.complete || page.rows.length > 0;
    if (nothing.hidden !== some) nothing.hidden = some;
    P().text(nothing, page.store.rows.size ? nothing.dataset.filtered : nothing.dataset.empty);
    offer(title);
    if (page.opened_row && !here.has(page.opened_row)) close_drawer();
  }

  /* Offers what occurs among the alarms as filters. */
  function offer(title) {
    const found = { rule: new Map(), site: new Map(), gateway: new Map() };
    for (const row of page.store.rows.values()) {
      found.rule.set(row.rule, title(row));
      if (row.site) found.site.set(row.site, row.site);
      if (row.gateway) found.gateway.set(row.gateway, row.gateway);
    }
    for (const [name, values] of Object.entries(found)) {
      const selected = page.chosen[name];
      if (selected && !values.has(selected)) values.set(selected, selected);
      const data = [...values].map(([value, label]) => ({ value, label })).sort((one, other) => one.label.localeCompare(other.label, lang, { numeric: true })).slice(0, MAX_OPTIONS);
      const key = JSON.stringify(data);
      if (shown_options[name] !== key) { shown_options[name] = key; dash().set_props("alarm-" + name, { data }); }
    }
  }

  /* Asks the server for what is open besides the list, seldom, and for what is out of service if that changed. */
  function ask_more() {
    const now = Date.now(), details = document.getElementById("alarm-log");
    if (details && details.open && now - asked_at.log >= MORE_MS) { asked_at.log = now; dash().set_props("alarm-log-ask", { data: now }); }
    if (page.opened_row && now - asked_at.row >= MORE_MS) open_drawer({ alarm: page.opened_row }, true);
    const [orders, silences] = page.store.also || [];
    if (orders && (orders !== page.orders || (orders !== "0" && now - asked_at.orders >= ORDERS_MS))) { page.orders = orders; asked_at.orders = now; dash().set_props("alarm-orders-ask", { data: now }); }
    if (silences !== undefined && silences !== page.silences) { page.silences = silences; dash().set_props("alarm-silences-ask", { data: now }); }
  }

  function settled() {
    if (!page || !page.list.alive) return;
    P().pending.settle(new Map([...page.store.rows.values()].map((row) => [row.alarm, row.state])));
    page.list.repaint();
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    alarms(filter, search, priority, rule, site, gateway, group) {
      const found = opened();
      if (!found) return dash().no_update;
      const chosen = { filter, search, priority, rule, site, gateway, group }, key = JSON.stringify(chosen);
      if (key !== page.key) { page.key = key; page.chosen = chosen; show(); }
      if (!page.followed) { page.followed = true; P().push.follow(page.store, () => found === page && found.list.alive, () => { settled(); show(); }); }
      return dash().no_update;
    },
  });

  document.addEventListener("pumpwatch:asked", settled);
  document.addEventListener("pumpwatch:acting", () => { if (page && page.list.alive) clear(); });
  document.addEventListener("click", (event) => { if (event.target.closest("#alarm-close")) close_drawer(); });
  document.addEventListener("toggle", (event) => { if (event.target.id === "alarm-log" && page) { asked_at.log = 0; ask_more(); } }, true);
  document.addEventListener("pumpwatch:live", () => { if (page && page.list.alive) ask_more(); });
  document.addEventListener("keydown", (event) => {
    if (page && page.list.alive && event.key === "Escape" && !document.querySelector("[role=dialog]")) close_drawer();
  });
  NARROW.addEventListener("change", () => { if (page && page.list.alive) page.list.measure(); });
  document.addEventListener("pumpwatch:second", settled);
})();
