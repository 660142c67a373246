/* New alarms without sound: count in title and icon, sentences for screen readers, desktop notifications. */
(function () {
  "use strict";
  const { tr, tr_n } = window.pumpwatch;
  const NAMES = ["high", "medium", "low"], SHAPES = ["▲", "◆", "●"], SAY_MS = 4000, MAX_NOTIFICATIONS = 3, FLOOD = "pumpwatch-flood";

  /* Returns what began to wait between two states: how many of each priority, and the newest by name, worst first. */
  function fresh(before, after) {
    if (!before || before.epoch !== after.epoch) return { counts: [0, 0, 0], alarms: [] };
    const counts = after.totals.map((total, n) => Math.max(0, total - before.totals[n]));
    const alarms = after.recent.filter((alarm) => alarm.number > before.totals[alarm.priority - 1]);
    return { counts, alarms: alarms.sort((one, other) => one.priority - other.priority || other.number - one.number) };
  }

  const about = (alarm) => [alarm.subject, alarm.title].filter(Boolean).join(" ");

  /* Returns one sentence for all of them, or null: what is over before it was said needs nobody. */
  function sentence(found) {
    const many = found.counts.reduce((sum, count) => sum + count, 0), first = found.alarms[0];
    if (!many || !first) return null;
    const worst = tr(NAMES[first.priority - 1]);
    const text = many === 1 ? tr("New {priority} alarm: {what}", { priority: worst, what: about(first) }) : tr_n("{count} new alarm, worst: {what}, {priority}", "{count} new alarms, worst: {what}, {priority}", many, { what: about(first), priority: worst });
    return { text, urgent: first.priority === 1 };
  }

  function title(waiting) {
    const many = waiting.reduce((sum, count) => sum + count, 0);
    return many ? "(" + many + ") " + SHAPES[waiting.findIndex((count) => count > 0)] + " Pumpwatch" : "Pumpwatch";
  }

  let state = null, said = null, said_at = 0, waiting_to_say = 0, icon = "", plain_icon = "";
  const notifications = new Map();

  function hear(attention) {
    if (!said) said = attention;
    state = attention;
    const text = title(attention.waiting);
    if (document.title !== text) document.title = text;
    draw(attention.waiting);
    close_ended();
    if (!waiting_to_say) waiting_to_say = setTimeout(say, Math.max(0, said_at + SAY_MS - Date.now()));
  }

  /* At most one sentence every few seconds; what comes meanwhile is in the next one. */
  function say() {
    waiting_to_say = 0;
    const found = fresh(said, state), spoken = sentence(found);
    said = state;
    if (!spoken) return;
    said_at = Date.now();
    const region = document.getElementById(spoken.urgent ? "announce-urgent" : "announce");
    if (region) {
      region.textContent = "";
      setTimeout(() => { region.textContent = spoken.text; }, 50);
    }
    notify(found);
  }

  function draw(waiting) {
    const worst = waiting.findIndex((count) => count > 0), many = waiting.reduce((sum, count) => sum + count, 0);
    const link = document.querySelector("link[rel='icon']"), wanted = worst + " " + Math.min(many, 100);
    if (!link || wanted === icon) return;
    plain_icon = plain_icon || link.href;
    icon = wanted;
    link.href = worst < 0 ? plain_icon : picture(NAMES[worst], worst, many > 99 ? "99" : String(many));
  }

  function picture(name, worst, text) {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d"), css = getComputedStyle(document.documentElement);
    canvas.width = canvas.height = 64;
    pen.fillStyle = css.getPropertyValue("--" + name + "-fill");
    pen.beginPath();
    if (worst === 0) { pen.moveTo(32, 0); pen.lineTo(64, 62); pen.lineTo(0, 62); }
    else if (worst === 1) { pen.moveTo(32, 0); pen.lineTo(64, 32); pen.lineTo(32, 64); pen.lineTo(0, 32); }
    else pen.arc(32, 32, 32, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = css.getPropertyValue("--on-" + name);
    pen.font = "bold " + (text.length > 1 ? 30 : 36) + "px sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(text, 32, worst === 0 ? 43 : 34);
    return canvas.toDataURL("image/png");
  }

  function notify(found) {
    const control = window.pumpwatchAttention;
    if (control.notification_state(control.settings()) !== "on") return;
    const many = found.counts[0] + found.counts[1], alarms = found.alarms.filter((alarm) => alarm.priority < 3);
    if (!many || !alarms.length) return;
    if (alarms.length < many || notifications.size + many > MAX_NOTIFICATIONS) {
      for (const one of notifications.values()) one.shown.close();
      notifications.clear();
      show(FLOOD, tr_n("{count} new alarm", "{count} new alarms", many), tr("Worst: {what}", { what: about(alarms[0]) }), { priority: 0, number: 0 });
    } else for (const alarm of alarms) show(alarm.alarm, SHAPES[alarm.priority - 1] + " " + (alarm.subject || "Pumpwatch"), alarm.title + " (" + tr(NAMES[alarm.priority - 1]) + ")", alarm);
  }

  /* All tabs show the same ones: a browser replaces a notification by one of the same tag. */
  function show(tag, head, body, alarm) {
    try {
      const shown = new Notification(head, { tag, body, requireInteraction: alarm.priority < 2 });
      shown.onclick = () => { window.focus(); shown.close(); window.pumpwatch.go(window.pumpwatch.path("/alarms")); };
      notifications.set(tag, { shown, alarm });
    } catch { /* browsers of phones show notifications from installed pages alone */ }
  }

  /* An alarm that is not among the newest that wait is over if it is newer than the oldest of these. */
  function is_over(alarm, attention) {
    if (!alarm.priority) return attention.waiting[0] + attention.waiting[1] === 0;
    const same = attention.recent.filter((one) => one.priority === alarm.priority);
    if (same.some((one) => one.alarm === alarm.alarm)) return false;
    return same.length === attention.waiting[alarm.priority - 1] || alarm.number > Math.min(...same.map((one) => one.number));
  }

  function close_ended() {
    for (const [tag, one] of notifications) {
      if (!is_over(one.alarm, state)) continue;
      one.shown.close();
      notifications.delete(tag);
    }
  }

  window.pumpwatchAnnounce = { hear, fresh, sentence, title, is_over };
})();
