/* Cell renderers of the grids; text only, never markup. */
(function () {
  "use strict";
  const SHAPE = { 1: "high", 2: "medium", 3: "low" }, cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const make = (...parts) => window.React.createElement(...parts);
  const shape = (name, shade) => make("span", { className: "mark " + name + shade, "aria-hidden": true });

  cells.Priority = ({ data }) => {
    if (!data) return null;
    const name = SHAPE[data.priority] || "normal";
    const shade = data.state === "unacknowledged" ? " waiting" : data.state === "returned" ? "" : " outline";
    return make("span", { className: "priority " + name }, shape(name, shade), name);
  };
  cells.PumpState = ({ data }) => {
    if (!data) return null;
    const name = SHAPE[data.priority] || (data.silent ? "unknown" : "normal");
    const shade = data.priority && !data.unacknowledged ? " outline" : "";
    return make("span", { className: "priority " + name }, shape(name, shade), data.priority ? name : data.silent ? "unknown" : "normal");
  };
  cells.PumpLink = ({ value }) =>
    value ? make("a", { href: window.pumpwatch.path("/pump/" + encodeURIComponent(value)), className: "pump-link", "data-go": "" }, value) : null;
  cells.Subject = ({ data }) => {
    if (!data) return null;
    if (data.pump) return make("a", { href: window.pumpwatch.path("/pump/" + encodeURIComponent(data.pump)), className: "pump-link", "data-go": "" }, data.pump);
    const of = data.many ? make("a", { href: window.pumpwatch.path("/pumps?search=" + encodeURIComponent(data.subject)), className: "pump-link", "data-go": "" }, data.subject) : data.subject;
    return make("b", null, of, data.held ? make("div", { className: "story" }, "suppresses " + data.held.toLocaleString("en")) : null);
  };
  cells.Text = ({ data, text, value }) => (data ? data[text] || String(value ?? "") : null);
  cells.Quantity = ({ data, text, value }) => {
    const quantity = data ? String((text ? data[text] : value) ?? "unknown") : "";
    const at = quantity.indexOf(" ");
    if (at < 0) return make("span", { className: "unknown-word" }, quantity);
    return make("span", null, quantity.slice(0, at), make("span", { className: "unit" }, quantity.slice(at)));
  };
  cells.State = ({ data }) => {
    if (!data) return null;
    return make("span", { className: "state " + data.state }, data.state_text, data.story ? make("div", { className: "story" }, data.story) : null);
  };
  cells.Tag = ({ value }) => (value ? make("span", { className: value === "online" ? "tag" : "tag bad" }, value) : null);
  cells.Ack = ({ data }) =>
    !data || (data.state !== "unacknowledged" && data.state !== "returned")
      ? null
      : make("button", { className: "button", "data-ack": JSON.stringify({ alarms: [data.alarm] }), title: "Acknowledge " + data.title + ", " + data.subject }, "Ack");

  let refreshed = 0;
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    async refresh(_live, search) {
      const now = Date.now(), asked = window.dash_clientside.callback_context.triggered.some((one) => one.prop_id.startsWith("pump-"));
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
