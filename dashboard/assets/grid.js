/* Cell renderers of the grids; text only, never markup. */
(function () {
  "use strict";
  const { tr, state_name, mark_class } = window.pumpwatch;
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const make = (...parts) => window.React.createElement(...parts);

  cells.PumpState = ({ data }) => {
    if (!data) return null;
    const name = state_name(data.priority, data.silent), seen = Boolean(data.priority && !data.unacknowledged);
    return make("span", { className: "priority " + name }, make("span", { className: mark_class(name, { seen }), "aria-hidden": true }), tr(name));
  };
  cells.PumpLink = ({ value }) =>
    value ? make("a", { href: window.pumpwatch.path("/pump/" + encodeURIComponent(value)), className: "pump-link", "data-go": "" }, value) : null;
  cells.Text = ({ data, text, value }) => (data ? data[text] || String(value ?? "") : null);
  cells.Quantity = ({ data, text, value }) => {
    const quantity = data ? String((text ? data[text] : value) ?? tr("unknown")) : "";
    const at = quantity.indexOf(" ");
    if (at < 0) return make("span", { className: "unknown-word" }, quantity);
    return make("span", null, quantity.slice(0, at), make("span", { className: "unit" }, quantity.slice(at)));
  };
  cells.Tag = ({ value }) => (value ? make("span", { className: value === "online" ? "tag" : "tag bad" }, tr(value)) : null);
})();
