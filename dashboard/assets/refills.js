/* Page Refills: clicks on times ahead, days and feeds; sheets are printed once they are there, and removed afterwards. */
(function () {
  "use strict";
  const DRAWN_MS = 60000, AGAIN_MS = 50;

  /* Many sheets take seconds to be drawn: what is printed before is the page without them. */
  function print_all(count, until) {
    const box = document.getElementById("refill-sheets");
    if (!box || Date.now() > until) return;
    if (box.childElementCount < count) setTimeout(() => print_all(count, until), AGAIN_MS);
    else requestAnimationFrame(() => requestAnimationFrame(() => window.print()));
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    print_sheets(sheets) {
      if (sheets && sheets.length) print_all(sheets.length, Date.now() + DRAWN_MS);
      return "";
    },
  });
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-refill-span], [data-refill-day], [data-feed]");
    if (!button) return;
    if (button.dataset.feed) { set("feed-revoke", { data: { feed: button.dataset.feed, n: Date.now() } }); return; }
    set("refill-day", { data: button.dataset.refillDay || null });
    if (button.dataset.refillSpan) set("refill-span", { data: button.dataset.refillSpan });
    set("refill-view", { value: "list" });
  });
  window.addEventListener("afterprint", () => {
    if (document.getElementById("refill-sheets")) set("refill-sheets", { children: [] });
  });
})();
