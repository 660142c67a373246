/* The mark of a state, for every list, grid and map: a shape for each priority, filled while somebody must acknowledge. */
(function () {
  "use strict";
  const NAMES = ["", "high", "medium", "low"];

  /* Name of a state: that of its priority, else "unknown" for a silent pump, else "normal". */
  const state_name = (priority, silent) => NAMES[priority] || (silent ? "unknown" : "normal");

  /* Classes of a mark; `waiting` flashes, `seen` is only an outline. */
  const mark_class = (name, { waiting = false, seen = false } = {}) => "mark " + name + (waiting ? " waiting" : seen ? " outline" : "");

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { state_name, mark_class });
})();
