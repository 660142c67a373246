/* The most urgent alarms on the overview, as a keyed list; a group of pumps behind one gateway is one line. */
(function () {
  "use strict";
  const { tr_n } = window.pumpwatch;
  const NARROW = matchMedia("(max-width: 899px)"), LINE = 76, MORE_MS = 4000, COUNTS = ["high", "medium", "low", "silent", "normal", "others", "waiting", "shelved", "pumps"];
  let page = null;
  const P = () => window.pumpwatch, dash = () => window.dash_clientside;

  function opened() {
    const box = document.getElementById("worst");
    if (!box || (page && page.box === box)) return box && page;
    const spec = JSON.parse(box.dataset.spec), store = P().rows_of(JSON.parse(box.dataset.path));
    page = { box, spec, store };
    const options = { words: spec, texts: store.texts, acknowledge, open: (row) => { if (row.kind === "pump" && row.many === 1) P().go(P().path("/pump/" + encodeURIComponent(row.subject))); } };
    page.list = new (P().KeyedList)(box, {
      height: () => (NARROW.matches ? P().card_height() : LINE),
      make: () => P().alarm_row(options),
      keys: { open: (item) => options.open(item.row), acknowledge: (item) => { if (P().waiting(item.row)) acknowledge(item.row); } },
    });
    show();
    return page;
  }

  /* A line of several alarms is acknowledged by gateway and rule: the server knows which they are. */
  function acknowledge(row) {
    P().pending.ask([row], page.spec.actions.acknowledge.word);
    dash().set_props("ack", { data: { alarms: [row.alarm], ...(row.many > 1 ? { gateway: row.gateway, rule: row.rule } : {}), n: Date.now() } });
    page.list.repaint();
  }

  function show() {
    if (!page || !page.list.alive) return;
    const rows = page.store.ordered(), shown = rows.reduce((sum, row) => sum + row.many, 0), more = page.store.left_out;
    page.list.show(rows.map((row) => ({ key: row.alarm, row })));
    document.getElementById("worst-nothing").hidden = !page.store.complete || rows.length > 0;
    P().text(document.getElementById("worst-note"), more ? tr_n("{count} more alarm on the Alarms page", "{count} more alarms on the Alarms page", more) : tr_n("{count} open alarm", "{count} open alarms", shown));
  }

  function settled() {
    if (!page || !page.list.alive) return;
    P().pending.settle(new Map([...page.store.rows.values()].map((row) => [row.alarm, row.state])));
    page.list.repaint();
  }

  function follow({ detail: drawn } = {}) {
    if (!page || !page.list.alive || document.hidden) return;
    page.store.fetch(() => { settled(); show(); }, drawn);
  }

  function count({ detail: live }) {
    if (!page || !page.list.alive || document.hidden) return;
    /* Counts are asked for when they changed, figures that move all the time only now and then. */
    const counts = COUNTS.map((name) => live[name]).join();
    if (counts === page.counts && Date.now() - page.counted_at < MORE_MS) return;
    Object.assign(page, { counts, counted_at: Date.now() });
    dash().set_props("overview-ask", { data: page.counted_at });
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    worst() {
      if (opened()) follow();
      return dash().no_update;
    },
  });
  document.addEventListener("pumpwatch:asked", settled);
  document.addEventListener("pumpwatch:newest", follow);
  document.addEventListener("pumpwatch:live", count);
  document.addEventListener("visibilitychange", () => follow());
  NARROW.addEventListener("change", () => { if (page && page.list.alive) page.list.measure(); });
  setInterval(() => { if (!document.hidden) settled(); }, 1000);
})();
