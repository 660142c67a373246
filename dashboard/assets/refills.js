/* Page Refills: clicks on times ahead, days and feeds; sheets are printed once they are there, and removed afterwards. */
(function () {
  "use strict";
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    print_sheets(sheets) {
      if (sheets && sheets.length) requestAnimationFrame(() => requestAnimationFrame(() => window.print()));
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
