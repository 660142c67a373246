/* Rows of alarm lists: text only, never markup; every value is written only if it changed. */
(function () {
  "use strict";
  const { tr, tr_n, state_name, mark_class } = window.pumpwatch;
  const WAITING = new Set(["unacknowledged", "returned"]), KIND = { gateway: tr("gateway"), cohort: tr("group"), fleet: tr("fleet"), system: tr("system") };
  /* Below 900 px a row is a card; from 600 px on, its button stands beside the text and the card is lower. */
  const SLIM = matchMedia("(max-width: 599px)");
  const card_height = () => (SLIM.matches ? 214 : 162), head_height = () => (SLIM.matches ? 144 : 72);
  const REFUSED_MS = 12000, UNANSWERED_MS = 15000, UNSEEN_MS = 5000;
  /* By alarm: what was asked for it and is not in a snapshot yet. */
  const pending = new Map();

  const C = () => window.pumpwatch_clocks, age_s = (row) => ((Date.now() - row.zero) / 1000) * row.rate, until_s = (row, ms) => ((ms - Date.now()) / 1000) * row.rate;
  const standing = (row, short) => (row.over ? C().ago : C().since)(age_s(row), row.rate, short);
  const deadline = (row, short) => { /* What has begun has no time left, on no clock. */
    const left_s = row.harm === null ? 0 : until_s(row, row.harm);
    return left_s > 0 ? C().with_here(row.deadline || "", left_s, row.rate, short) : row.deadline || "";
  };
  const quiet = (row) => (row.quiet ? tr("silenced until {moment} by {who}", { moment: C().moment(row.quiet), who: row.quiet_by }) : "");
  const waiting = (row) => WAITING.has(row.state);

  function make(tag, name, ...children) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.append(...children.filter(Boolean));
    return node;
  }
  const set = (node, name, value) => { if (node[name] !== value) node[name] = value; };
  const text = (node, value) => { if (node.shown !== value) node.textContent = node.shown = value; };
  const name = (node, value) => { if (node.getAttribute("aria-label") !== value) node.setAttribute("aria-label", value); };

  function button(label, act) {
    const made = make("button", "button", label);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  /* What a row says of its state: what was asked for it, or what the snapshot says. */
  function state_of(row, words) {
    const asked = pending.get(row.alarm);
    if (asked) return asked.refused ? tr("refused: {why}", { why: asked.refused }) : asked.word;
    const left = row.shelf === null ? "" : ", " + C().left(until_s(row, row.shelf), row.rate, true);
    return words.states[row.state] + left;
  }

  /* options: words { states, priorities }, texts { rule: [title, meaning, action] }, ticked(row) or null, tick(row), acknowledge(row), open(row). */
  function alarm_row(options) {
    let shown = null;
    const check = options.ticked && make("input", "alarm-check");
    if (check) {
      check.type = "checkbox";
      check.addEventListener("click", (event) => { event.stopPropagation(); options.tick(shown, event.shiftKey); });
    }
    const mark = make("span", "mark"), priority = make("span", "alarm-priority"), title = make("b", "alarm-title");
    mark.setAttribute("aria-hidden", "true");
    const link = make("a", "pump-link"), kind = make("span", "tag"), place = make("span", "alarm-place"), where = make("div", "alarm-where", kind, link, place);
    const action = make("div", "alarm-do"), since = make("b", "alarm-since"), left = make("span", "alarm-left"), state = make("span", "alarm-state"), story = make("span", "alarm-story");
    const acknowledge = button(tr("Acknowledge"), (event) => { event.stopPropagation(); options.acknowledge(shown); });
    const node = make("div", "alarm-row", check, mark, make("div", "alarm-what", priority, title), where, action, make("div", "alarm-when", since, left), make("div", "alarm-states", state, story), acknowledge);
    node.setAttribute("role", "listitem");
    node.setAttribute("data-row", "");
    node.addEventListener("click", (event) => { if (!event.target.closest("a, button, input")) options.open(shown); });

    function paint({ row }) {
      shown = row;
      const shape = state_name(row.priority), asked = pending.get(row.alarm), open = waiting(row), sent = asked && !asked.refused;
      const [heading, meaning, first] = options.texts[row.rule] || [row.rule, "", ""];
      const many = row.many > 1, of = many ? row.gateway + " · " + tr_n("{count} pump", "{count} pumps", row.many) : row.subject;
      set(node, "className", "alarm-row " + shape + " " + row.state + (asked && !asked.refused ? " asked" : "") + (node.classList.contains("current") ? " current" : ""));
      set(mark, "className", mark_class(shape, { waiting: !sent && row.state === "unacknowledged", seen: sent || !open }));
      text(priority, options.words.priorities[row.priority] || "");
      text(title, heading);
      set(title, "title", meaning);
      text(link, of);
      const to = row.kind === "pump" && !many ? "/pump/" + encodeURIComponent(row.subject) : row.kind === "system" ? "/pipeline" : "/pumps?search=" + encodeURIComponent(many ? row.gateway : row.kind === "fleet" ? "" : row.subject);
      const href = window.pumpwatch.path(to);
      if (link.getAttribute("href") !== href) { link.setAttribute("href", href); link.setAttribute("data-go", ""); }
      text(kind, KIND[row.kind] || "");
      set(kind, "hidden", row.kind === "pump");
      text(place, many || row.kind !== "pump" ? "" : [row.site, row.gateway].filter(Boolean).join(" · "));
      text(action, first || "");
      set(action, "title", first || "");
      text(since, standing(row, true));
      set(since, "title", standing(row, false));
      text(left, deadline(row, true));
      set(left, "title", deadline(row, false));
      const says = state_of(row, options.words);
      text(state, says);
      set(state, "title", says);
      set(state, "className", "alarm-state" + (row.state === "unacknowledged" && !asked ? " obvious" : ""));
      const so_far = [quiet(row), row.story].filter(Boolean).join("; ");
      text(story, so_far);
      set(story, "title", so_far);
      /* A button that goes away leaves its focus to its row. */
      if (document.activeElement === acknowledge && (!open || (asked && !asked.refused))) node.focus({ preventScroll: true });
      set(acknowledge, "hidden", !open);
      set(acknowledge, "disabled", Boolean(asked && !asked.refused));
      name(acknowledge, tr("Acknowledge {what}", { what: heading + ", " + of }));
      if (check) { set(check, "checked", options.ticked(row)); name(check, tr("Select {what}", { what: heading + ", " + of })); }
      return node;
    }
    return { node, paint };
  }

  /* Notes what was asked for some alarms; `word` is shown until a snapshot shows the result. */
  function ask(alarms, word) {
    const until = Date.now() + UNANSWERED_MS;
    for (const row of alarms) pending.set(row.alarm, { word, state: row.state, until });
  }
  /* The server's answer: refused alarms go back with the reason, the others wait for the snapshot. */
  function answered({ alarms, good, text: reason }) {
    for (const alarm of alarms || []) {
      const asked = pending.get(alarm);
      if (!asked) continue;
      asked.until = Date.now() + (good ? UNSEEN_MS : REFUSED_MS);
      if (!good) asked.refused = reason;
    }
    changed();
  }
  /* Forgets what a snapshot has answered, or nobody has in time; returns whether there was any. */
  function settle(states) {
    const before = pending.size;
    for (const [alarm, asked] of pending) {
      const now = states.get(alarm);
      if (Date.now() > asked.until || (!asked.refused && now !== asked.state)) pending.delete(alarm);
    }
    return before !== pending.size;
  }
  function changed() { document.dispatchEvent(new CustomEvent("pumpwatch:asked")); }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { alarm_row, card_height, head_height, pending: { ask, answered, settle, has: (alarm) => pending.has(alarm) }, waiting, make, button, text });
})();
