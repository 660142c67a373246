/* Rows of the pump list open by click, Enter and Space; on a small screen each row, also of gateways, is a card. */
(function () {
  "use strict";
  const { tr } = window.pumpwatch;
  const SMALL = window.matchMedia("(max-width: 900px)"), CARD_PX = 92, GATEWAY_PX = 76, ROW_PX = 36, HEAD_PX = 34;
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  const open = (pump) => pump && window.pumpwatch.go(window.pumpwatch.path("/pump/" + encodeURIComponent(pump)));
  const fitted = new WeakMap();

  functions.openPump = ({ data, event }) => {
    if (!data || (event && event.target.closest("a")) || String(window.getSelection())) return;
    open(data.pump);
  };
  functions.openPumpByKey = ({ data, event }) => {
    if (!data || !event || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    open(data.pump);
  };
  functions.fitPumps = ({ api }) => fit(api, CARD_PX);
  functions.fitGateways = ({ api }) => fit(api, GATEWAY_PX);
  function fit(api, card_px) {
    if (fitted.get(api) === SMALL.matches) return;
    fitted.set(api, SMALL.matches);
    const columns = api.getColumns() || [], of = (card) => columns.filter((column) => (column.getColId() === "card") === card);
    api.setColumnsVisible(of(true), SMALL.matches);
    api.setColumnsVisible(of(false), !SMALL.matches);
    api.updateGridOptions({ rowHeight: SMALL.matches ? card_px : ROW_PX, headerHeight: SMALL.matches ? 0 : HEAD_PX });
  }
  SMALL.addEventListener("change", async () => {
    for (const [grid, run] of [["pump-grid", functions.fitPumps], ["pipe-gateways", functions.fitGateways]]) {
      try {
        if (document.getElementById(grid)) run({ api: await window.dash_ag_grid.getApiAsync(grid) });
      } catch { /* the grid is not on this page any more */ }
    }
  });

  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  cells.GatewayCard = ({ data }) => {
    if (!data) return null;
    const make = (...parts) => window.React.createElement(...parts);
    const counts = `queued ${data.waiting ?? "unknown"} · dropped ${data.dropped ?? "unknown"} · redelivered ${data.resent ?? "unknown"}`;
    return make(
      "div", { className: "pump-card" },
      make("div", { className: "pump-card-head" }, make("b", null, data.gateway), cells.Tag({ value: data.state })),
      make("div", { className: "note" }, `${data.pumps} pumps · heard ${data.heard} ago · ${data.speed_text}`),
      make("div", { className: data.dropped > 0 ? "warn-word" : "note" }, counts),
    );
  };
  cells.PumpCard = (params) => {
    const { data } = params;
    if (!data) return null;
    const make = (...parts) => window.React.createElement(...parts);
    const facts = [tr("{age} old", { age: data.age }), data.flow, data.reservoir, [data.site, data.gateway].filter(Boolean).join(", ")];
    return make(
      "div", { className: "pump-card" },
      make("div", { className: "pump-card-head" }, cells.PumpLink({ value: data.pump }), cells.PumpState(params)),
      make("div", { className: "pump-card-alarm" }, data.worst),
      make("div", { className: "note" }, facts.filter(Boolean).join(" · ")),
    );
  };
})();
