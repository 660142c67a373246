/* What stands above the list of alarms: how many are shown and selected, and what can be done with them; and the heads of groups. */
(function () {
  "use strict";
  const { tr, tr_n, number } = window.pumpwatch;
  const P = () => window.pumpwatch, BUTTONS = ["acknowledge", "shelve", "note"], many = (count) => tr_n("{count} alarm", "{count} alarms", count);
  const COUNTED = [1, 2, 3];

  /* acts: all(on), none(), act(kind). */
  function alarm_tools(box, spec, acts) {
    const { make, button, text } = P(), made = {};
    const check = make("input", "alarm-check"), count = make("span", "alarm-count"), label = make("label", "alarm-all", check, count);
    check.type = "checkbox";
    check.setAttribute("aria-label", tr("Select all alarms that match the filter"));
    check.addEventListener("click", () => acts.all(check.checked));
    count.id = "alarm-count";
    count.setAttribute("role", "status");
    for (const [kind, action] of Object.entries(spec.actions)) {
      made[kind] = button(action.label, () => { if (more.open) more.open = false; acts.act(kind); });
      made[kind].id = "do-" + kind;
    }
    made.acknowledge.classList.add("strong");
    const rest = Object.keys(spec.actions).filter((kind) => !BUTTONS.includes(kind));
    const more = make("details", "alarm-more", make("summary", "button", tr("More")), make("div", "alarm-menu", ...rest.map((kind) => made[kind])));
    document.addEventListener("click", (event) => { if (more.open && !more.contains(event.target)) more.open = false; });
    more.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !more.open) return;
      event.stopPropagation(); // the drawer stays
      more.open = false;
      more.firstChild.focus();
    });
    const clear = button(tr("Clear selection"), acts.none);
    box.replaceChildren(label, make("span", "grow"), clear, made.note, made.shelve, more, made.acknowledge);

    function paint(rows, chosen, store) {
      const left_out = store.left_out ? " " + tr_n("(the most urgent; {count} more exists)", "(the most urgent; {count} more exist)", store.left_out) : "";
      text(count, (chosen.length ? tr("{chosen} of {alarms} selected", { chosen: number(chosen.length), alarms: many(rows.length) }) : many(rows.length)) + left_out);
      check.checked = rows.length > 0 && chosen.length === rows.length;
      check.indeterminate = chosen.length > 0 && chosen.length < rows.length;
      check.disabled = rows.length === 0;
      clear.hidden = chosen.length === 0;
      box.classList.toggle("selecting", chosen.length > 0);
      for (const [kind, node] of Object.entries(made)) {
        const able = chosen.filter((row) => spec.actions[kind].states.includes(row.state) && !P().pending.has(row.alarm)).length;
        node.disabled = able === 0;
        text(node, kind === "acknowledge" ? (able ? tr_n("Acknowledge {count} alarm", "Acknowledge {count} alarms", able) : tr("Acknowledge selected")) : spec.actions[kind].label + (able && able < chosen.length ? " (" + number(able) + ")" : ""));
      }
    }
    return { paint };
  }

  const LABEL = { rule: (row, title) => title(row), site: (row) => row.site || tr("No site"), gateway: (row) => row.gateway || tr("No gateway") };

  /* The items of the list: a head for each group, most urgent first, and the rows of those that are open. */
  function alarm_groups(rows, by, title, open) {
    const groups = new Map();
    for (const row of rows) {
      const label = (LABEL[by] || LABEL.rule)(row, title), key = "group/" + by + "/" + label;
      if (!groups.has(key)) groups.set(key, { key, group: label, rows: [], open: open.has(key) });
      groups.get(key).rows.push(row);
    }
    return [...groups.values()].flatMap((group) => [group, ...(group.open ? group.rows.map((row) => ({ key: row.alarm, row })) : [])]);
  }

  /* options: words, ticked(rows) (how many), tick(item), toggle(item), act(kind, rows). */
  function alarm_group(options) {
    const { make, button, text, state_name, mark_class } = P();
    let shown = null;
    const check = make("input", "alarm-check"), mark = make("span", "mark"), label = make("b"), counts = make("span", "alarm-counts");
    check.type = "checkbox";
    mark.setAttribute("aria-hidden", "true");
    check.addEventListener("click", (event) => { event.stopPropagation(); options.tick(shown); });
    const head = make("button", "alarm-toggle", mark, label, counts);
    head.type = "button";
    head.addEventListener("click", () => options.toggle(shown));
    const waiting = () => shown.rows.filter(P().waiting), to_shelve = () => shown.rows.filter((row) => options.words.actions.shelve.states.includes(row.state));
    const shelve = button(tr("Shelve…"), () => options.act("shelve", to_shelve())), acknowledge = button(tr("Acknowledge"), () => options.act("acknowledge", waiting()));
    const node = make("div", "alarm-group", check, head, shelve, acknowledge);
    node.setAttribute("role", "listitem");
    node.setAttribute("data-row", "");

    function paint(item) {
      shown = item;
      const worst = Math.min(...item.rows.map((row) => row.priority)), able = waiting(), on = options.ticked(item.rows);
      const urgent = able.some((row) => row.priority === worst && row.state === "unacknowledged");
      mark.className = mark_class(state_name(worst), { waiting: urgent, seen: !able.length });
      head.setAttribute("aria-expanded", String(item.open));
      text(label, item.group);
      const each = COUNTED.map((priority) => [priority, item.rows.filter((row) => row.priority === priority).length]).filter(([, count]) => count);
      text(counts, many(item.rows.length) + ": " + each.map(([priority, count]) => number(count) + " " + options.words.priorities[priority]).join(", ") + (able.length ? " · " + tr("{count} unacknowledged", { count: number(able.length) }) : ""));
      check.checked = on === item.rows.length;
      check.indeterminate = on > 0 && on < item.rows.length;
      check.setAttribute("aria-label", tr("Select all alarms of {what}", { what: item.group }));
      acknowledge.hidden = able.length === 0;
      text(acknowledge, tr("Acknowledge {what}", { what: number(able.length) }));
      shelve.hidden = to_shelve().length === 0;
      acknowledge.setAttribute("aria-label", tr("Acknowledge {what}", { what: number(able.length) + ": " + item.group }));
      shelve.setAttribute("aria-label", tr("Shelve…") + ": " + item.group);
    }
    return { node, paint };
  }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { alarm_tools, alarm_groups, alarm_group });
})();
