/* Prints the sheets of the page Refills once they are there, and removes them afterwards. */
(function () {
  "use strict";
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    print_sheets(sheets) {
      if (sheets && sheets.length) requestAnimationFrame(() => requestAnimationFrame(() => window.print()));
      return "";
    },
  });
  window.addEventListener("afterprint", () => {
    if (document.getElementById("refill-sheets")) window.dash_clientside.set_props("refill-sheets", { children: [] });
  });
})();
