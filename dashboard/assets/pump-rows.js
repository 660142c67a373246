/* Rows of the pump list that are in view, brought up to date: a request without Dash for these rows alone, and only cells that changed are
   drawn again. When all rows of the grid were asked for again, a quiet tab used three times as much of a core. */
(function () {
  "use strict";
  const BEAT_MS = 1900, TIMEOUT_MS = 10000, LABELS = ["state", "rule", "model", "site", "gateway"];
  /* By value: the column that shows it, if that has another name. */
  const SHOWN_IN = { silent: "priority", unacknowledged: "priority", age: "age_s", reservoir: "reservoir_ml", low: "low_d_mid", battery: "battery_v" };
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  const P = () => window.pumpwatch, dash = () => window.dash_clientside, grid = () => document.getElementById("pump-grid");
  let chosen = {}, shown_at = 0, busy = false, retired = null;

  async function follow() {
    if (!grid() || document.hidden || busy) return;
    busy = true;
    shown_at = Date.now();
    try {
      const api = await window.dash_ag_grid.getApiAsync("pump-grid"), asked = chosen;
      const first = Math.max(0, api.getFirstDisplayedRowIndex()), last = Math.max(first, api.getLastDisplayedRowIndex() + 1);
      const answer = await ask(api, first, last, asked);
      if (answer && asked === chosen && grid()) take(api, first, answer);
    } catch { /* the grid is not on this page any more, or the network is away: the age of the data shows it */ } finally { busy = false; }
  }

  async function ask(api, first, last, { search, ...filters }) {
    const sorted = api.getColumnState().filter((column) => column.sort).sort((one, other) => one.sortIndex - other.sortIndex);
    const body = JSON.stringify({ first, last, sort: sorted.map(({ colId, sort }) => ({ colId, sort })), search, filters });
    const answer = await fetch(P().path("/rows/pumps"), { method: "POST", body, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    return answer.ok ? answer.json() : null;
  }

  /* If other pumps stand in these places, the grid asks for all its rows again. */
  function take(api, first, { rows, total, note, retired: gone }) {
    const places = rows.map((row, at) => [row, api.getDisplayedRowAtIndex(first + at)]).filter(([, place]) => place && place.data);
    const below = document.getElementById("pump-note");
    if (below.textContent !== note) below.textContent = note;
    if (retired !== null && gone !== retired) dash().set_props("retired-ask", { data: gone });
    retired = gone;
    if (total !== api.getDisplayedRowCount() || places.some(([row, place]) => place.data.pump !== row.pump)) { api.refreshInfiniteCache(); return; }
    for (const [row, place] of places) {
      const names = Object.keys(row).filter((name) => row[name] !== place.data[name]);
      if (!names.length) continue;
      place.updateData(row);
      const columns = [...names.filter((name) => name in SHOWN_IN).map((name) => SHOWN_IN[name]), "card"];
      api.refreshCells({ rowNodes: [place], columns, force: true, suppressFlash: true });
    }
  }

  functions.pumpsMoved = () => { follow(); };
  document.addEventListener("pumpwatch:live", () => { if (Date.now() - shown_at >= BEAT_MS) follow(); });

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    async refresh(search, ...values) {
      chosen = { search: search || "", ...Object.fromEntries(LABELS.map((name, at) => [name, values[at] || ""])) };
      const changed = dash().callback_context.triggered.some((one) => one.prop_id.startsWith("pump-"));
      try {
        if (!changed) retired = null; // what is retired was drawn when the page opened
        else (await window.dash_ag_grid.getApiAsync("pump-grid")).purgeInfiniteCache();
      } catch { /* the grid is not on this page any more */ }
      return dash().no_update;
    },
  });
})();
