/* Push: the WebSocket over which this page gets every new snapshot and the changes of the lists that it shows. It comes back by itself for as
   long as the page is open; while it is away, live.js polls and lists are fetched. */
(function () {
  "use strict";
  const AGAIN_MS = 1000, SELDOM_MS = 15000, SIGNED_OUT = 4003, IDLE_TIMEOUT_MS = 3000;
  const P = () => window.pumpwatch, dash = () => window.dash_clientside;
  /* By address: the list's store, whether it is on the screen, and what to do when it changed. */
  const lists = new Map();
  let socket = null, told = "", failures = 0, timer = 0, newest = null, drawing = false, waiting = false;

  const open = () => socket !== null && socket.readyState === WebSocket.OPEN;

  function connect() {
    clearTimeout(timer);
    if (socket !== null || !navigator.onLine) return;
    socket = new WebSocket(location.origin.replace(/^http/, "ws") + P().path("/push"));
    socket.onopen = () => { told = ""; sync(); };
    socket.onmessage = ({ data }) => { failures = 0; hear(JSON.parse(data)); };
    socket.onclose = ({ code }) => {
      socket = null;
      timer = setTimeout(connect, Math.min(SELDOM_MS, AGAIN_MS * 2 ** failures++) * (0.5 + Math.random() / 2));
      if (code === SIGNED_OUT) P().poll();
    };
  }

  /* Tells the server which lists are on the screen and how far they are known. */
  function sync() {
    if (!open()) return;
    const shown = document.hidden ? [] : [...lists.values()].filter((one) => one.shown());
    const paths = shown.map((one) => one.store.path).join(" ");
    if (paths === told) return;
    told = paths;
    socket.send(JSON.stringify({ type: "follow", lists: Object.fromEntries(shown.map(({ store }) => [store.path, [store.run, store.cursor]])) }));
  }

  /* Takes in what was pushed or polled. */
  function hear({ beat, newest: fresh, rows }) {
    if (beat) P().beats(beat);
    for (const [path, answer] of Object.entries(rows || {})) {
      const list = lists.get(path);
      if (list && list.store.take(answer)) list.dirty = true;
    }
    if (fresh) {
      newest = fresh;
      window.pumpwatchAttention.hear(fresh.attention);
    }
    sync();
    draw();
  }

  /* Draws at once, but not before the browser has drawn what came before: what comes meanwhile is drawn together. */
  function draw() {
    waiting = drawing;
    if (drawing || document.hidden || !dash() || !dash().set_props || !document.getElementById("page")) return;
    drawing = true;
    const drawn = () => { drawing = false; if (waiting) draw(); };
    if (window.requestIdleCallback) requestIdleCallback(drawn, { timeout: IDLE_TIMEOUT_MS }); else setTimeout(drawn, 50);
    for (const list of lists.values()) {
      if (!list.shown()) continue;
      if (!open()) list.store.fetch(list.changed);
      else if (list.dirty) list.changed();
      list.dirty = false;
    }
    if (newest) {
      P().head(newest);
      document.dispatchEvent(new CustomEvent("pumpwatch:live", { detail: newest }));
      /* A callback of Dash costs a browser many times as much as an event: only pages that have one get it. */
      const page = document.getElementById("page").firstElementChild;
      if (page && !("byEvent" in page.dataset)) dash().set_props("live", { data: newest });
    }
  }

  /* Keeps a list up to date for as long as it is `shown()`; calls `changed()` when it is different. */
  function follow(store, shown, changed) {
    lists.set(store.path, { store, shown, changed, dirty: false });
    told = null;
    sync();
    if (!open()) store.fetch(changed);
  }

  document.addEventListener("visibilitychange", () => { connect(); sync(); draw(); });
  window.addEventListener("online", connect);
  window.pumpwatch = Object.assign(window.pumpwatch || {}, { push: { follow, hear, open, connect } });
  connect();
})();
