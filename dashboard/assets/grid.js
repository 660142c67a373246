/* What stands in the cells of our tables; text only, never markup. */
(function () {
  "use strict";
  const SHAPE = { 1: "high", 2: "medium", 3: "low" }, cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const make = (...parts) => window.React.createElement(...parts);
  const shape = (name, seen) => make("span", { className: "mark " + name + seen, "aria-hidden": true });

  cells.Priority = ({ data }) => {
    if (!data) return null;
    const name = SHAPE[data.priority] || "normal";
    const seen = data.state === "unacknowledged" ? " waiting" : data.state === "returned" ? "" : " seen";
    return make("span", { className: "priority " + name }, shape(name, seen), name);
  };
  cells.PumpState = ({ data }) => {
    if (!data) return null;
    const name = SHAPE[data.priority] || (data.silent ? "unknown" : "normal");
    const seen = data.priority && !data.unacknowledged ? " seen" : "";
    return make("span", { className: "priority " + name }, shape(name, seen), data.priority ? name : data.silent ? "unknown" : "normal");
  };
  cells.PumpLink = ({ value }) =>
    value ? make("a", { href: "/pump/" + encodeURIComponent(value), className: "pump-link", "data-go": "" }, value) : null;
  cells.Subject = ({ data }) => {
    if (!data) return null;
    if (data.pump) return make("a", { href: "/pump/" + encodeURIComponent(data.pump), className: "pump-link", "data-go": "" }, data.pump);
    const of = data.many ? make("a", { href: "/pumps?search=" + encodeURIComponent(data.subject), className: "pump-link", "data-go": "" }, data.subject) : data.subject;
    return make("b", null, of, data.held ? make("div", { className: "story" }, data.held.toLocaleString("en") + " under it") : null);
  };
  cells.Said = ({ data, said, value }) => (data ? data[said] || String(value ?? "") : null);
  cells.Quantity = ({ data, said, value }) => {
    const text = data ? String((said ? data[said] : value) ?? "unknown") : "";
    const at = text.indexOf(" ");
    if (at < 0) return make("span", { className: "unknown-word" }, text);
    return make("span", null, text.slice(0, at), make("span", { className: "unit" }, text.slice(at)));
  };
  cells.State = ({ data }) => {
    if (!data) return null;
    return make("span", { className: "state " + data.state }, data.said_state, data.story ? make("div", { className: "story" }, data.story) : null);
  };
  cells.Ack = ({ data }) =>
    !data || (data.state !== "unacknowledged" && data.state !== "returned")
      ? null
      : make("button", { className: "button", "data-ack": JSON.stringify({ alarms: [data.alarm] }), title: "Acknowledge " + data.title + ", " + data.subject }, "Ack");

  let refreshed = 0;
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    async refresh(_live, search) {
      const now = Date.now(), asked = window.dash_clientside.callback_context.triggered.some((one) => one.prop_id.startsWith("pump-search"));
      if (!asked && now - refreshed < 1900) return window.dash_clientside.no_update;
      refreshed = now;
      try {
        const api = await window.dash_ag_grid.getApiAsync("pump-grid");
        if (asked) api.purgeInfiniteCache(); else api.refreshInfiniteCache();
      } catch { /* the grid is not on this page any more */ }
      return "";
    },
  });
})();
