/* Dialog of alarm actions: opens in the browser at once; the server hears of an action when it is confirmed. */
(function () {
  "use strict";
  const { tr, tr_n, number } = window.pumpwatch;
  const P = () => window.pumpwatch, dash = () => window.dash_clientside, LISTED = 3;
  const spec = () => JSON.parse(document.getElementById("action-spec").dataset.spec);
  const many = (count) => tr_n("{count} alarm", "{count} alarms", count);

  /* Asks for an action on rows of a list: several alarms, or a reason, are confirmed in the dialog. */
  function request(kind, rows) {
    if (!rows.length) return;
    const names = [...new Set(rows.map((row) => row.subject))], counts = [1, 2, 3].map((priority) => rows.filter((row) => row.priority === priority).length);
    asked_rows = rows;
    dash().set_props("action", { data: { kind, alarms: rows.map((row) => row.alarm), names: names.slice(0, LISTED), subjects: names.length, counts, n: Date.now() } });
  }
  let asked_rows = [];

  /* "400 alarms (12 high, 388 low) of 388 sources: A, B, C and 385 more" */
  function summary(action, words) {
    const each = (action.counts || []).map((count, at) => [count, words[at + 1]]).filter(([count]) => count).map(([count, word]) => number(count) + " " + word);
    const names = action.names || [], rest = (action.subjects || names.length) - names.length;
    const listed = rest > 0 ? tr("{names} and {last}", { names: names.join(", "), last: tr_n("{count} more", "{count} more", rest) }) : names.length > 1 ? tr("{names} and {last}", { names: names.slice(0, -1).join(", "), last: names[names.length - 1] }) : names[0] || "";
    const sources = names.length + rest, of = sources === action.alarms.length || !sources ? "" : " " + tr_n("of {count} source", "of {count} sources", sources);
    return many(action.alarms.length) + (each.length > 1 ? " (" + each.join(", ") + ")" : "") + of + (listed ? ": " + listed : "");
  }

  const hidden = { display: "none" }, visible = { display: "block" };

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    /* Opens the dialog for what is asked, or passes it on if there is nothing to confirm. */
    asked(action) {
      const skip = dash().no_update, every = spec(), of = action && every.actions[action.kind];
      if (!of || !Array.isArray(action.alarms)) return Array(11).fill(skip);
      const over = action.alarms.length > every.most;
      if (!of.prompt && action.alarms.length < 2) { act(action); return [...Array(10).fill(skip), { kind: action.kind, alarms: action.alarms, n: Date.now() }]; }
      const worst = (action.counts || [1]).findIndex((count) => count > 0), longest = every.longest[Math.max(0, worst) + 1];
      const times = every.times.filter((time) => Number(time.value) <= longest), chosen = times.some((time) => time.value === "1") ? "1" : times[times.length - 1].value;
      const title = of.label.replace(/…$/, ""), text = summary(action, every.priorities);
      const limit = over ? ". " + tr("Allowed at once are {alarms}: select fewer.", { alarms: many(every.most) }) : "";
      return [true, title, text + limit, of.prompt || "", "", of.prompt ? visible : hidden, times, chosen, action.kind === "shelve" ? visible : hidden, title, skip];
    },
    /* Sends what was confirmed: the action of the dialog with reason and duration. */
    confirmed(_clicks, action, why, hours) {
      const skip = dash().no_update, every = spec();
      if (!action || action.alarms.length > every.most) return [skip, skip];
      const prompt = every.actions[action.kind].prompt;
      if (prompt && !(why || "").trim()) { document.getElementById("action-reason").focus(); return [skip, skip]; }
      act(action);
      return [prompt ? skip : false, { kind: action.kind, alarms: action.alarms, why: why || "", hours, n: Date.now() }];
    },
    cancelled: () => false,
    /* What became of an action: rows that were refused go back. */
    answered(answer) { if (answer) P().pending.answered(answer); return ""; },
  });

  /* Rows show at once what was asked, and nothing stays selected. */
  function act(action) {
    const alarms = new Set(action.alarms), rows = asked_rows.filter((row) => alarms.has(row.alarm));
    P().pending.ask(rows, spec().actions[action.kind].word);
    asked_rows = [];
    document.dispatchEvent(new CustomEvent("pumpwatch:acting"));
    document.dispatchEvent(new CustomEvent("pumpwatch:asked"));
  }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { request });
})();
