/* Every view is a link: values of bound controls go into the query, and come back when the address changes. */
(function () {
  "use strict";
  const SETTLES_MS = 2000, TOGETHER_MS = 300, RESTORED_MS = 30000;
  let path = location.pathname, moved_at = performance.now(), stepped = { at: -Infinity };

  /* The texts that an address has for a value, like `written` in address.py. */
  function written(value) {
    if (typeof value === "boolean") return [value ? "1" : "0"];
    if (!Array.isArray(value)) return [value === null || value === undefined ? "" : String(value)];
    if (!value.length || typeof value[0] !== "object") return value.length ? value.map(String) : [""];
    const keys = value.filter((one) => one.sort).sort((one, other) => (one.sortIndex || 0) - (other.sortIndex || 0));
    return [keys.map((one) => one.colId + (one.sort === "desc" ? ".desc" : "")).join(",")];
  }

  const same = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);

  function write(control, value) {
    const address = new URL(location.href), texts = written(value);
    const before = address.searchParams.has(control.name) ? address.searchParams.getAll(control.name) : control.default;
    const omitted = same(texts, control.default);
    if (same(texts, before) && omitted !== address.searchParams.has(control.name)) return;
    address.searchParams.delete(control.name);
    if (!omitted) for (const text of texts) address.searchParams.append(control.name, text);
    /* Right after the address changed, the default may stand for a value in it that is not allowed: no step of a person. */
    const settling = omitted && performance.now() - moved_at < SETTLES_MS;
    const step = control.step && !same(texts, before) && !settling;
    /* What follows from a step, as the first page from a filter, is part of it: Back undoes both. */
    const follows = performance.now() - stepped.at < TOGETHER_MS && stepped.name !== control.name;
    if (step && !follows) stepped = { at: performance.now(), name: control.name };
    history[step && !follows ? "pushState" : "replaceState"](history.state, "", address);
  }

  /* Back, Forward, or a link to another view of the same page: the server says what the controls are then. */
  function moved() {
    const stays = location.pathname === path;
    path = location.pathname;
    moved_at = performance.now();
    if (stays) window.dash_clientside.set_props("address-moved", { data: { path, search: location.search, n: Date.now() } });
  }
  window.addEventListener("popstate", moved);
  window.addEventListener("_dashprivate_pushstate", moved);

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    address(value, bound) {
      const { id, property } = window.dash_clientside.callback_context.inputs_list[0];
      const control = bound && bound[id + "." + property];
      if (control && new RegExp(control.path).test(location.pathname)) write(control, value);
    },
    /* A list whose filters changed begins at its first page, unless Back, Forward or a link brought filters and page. */
    begin(...given) {
      const latest = given.pop(), bound = given.pop(), { inputs_list, outputs_list } = window.dash_clientside.callback_context;
      const query = new URLSearchParams(latest ? latest.search : "");
      const control = ({ id, property }) => bound[id + "." + property];
      const asked = ({ name, default: usual }) => (query.has(name) ? query.getAll(name) : usual);
      const brought = latest && Date.now() - latest.n < RESTORED_MS && inputs_list.every((input, at) => same(written(given[at]), asked(control(input))));
      const place = control(outputs_list);
      return Number((brought ? asked(place) : place.default)[0]);
    },
  });
})();
