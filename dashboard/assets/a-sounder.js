/* Which of several tabs sounds: one alone, and another one when that is closed or plays nothing any more. */
(function () {
  "use strict";
  const LOCK = "pumpwatch-sound", LEASE = "pumpwatch-sounder", LEASE_MS = 10000, SURE_MS = 1000, HICCUP_MS = 5000;
  const TAB = Math.random().toString(36).slice(2);
  let release = null, asked = false, ran_at = -Infinity;

  /* A lock of the browser. It is kept through a hiccup of the sound device: its alarms would come from two tabs. */
  function locked(wanted, changed) {
    if (wanted && !asked) {
      asked = true;
      navigator.locks.request(LOCK, () => new Promise((done) => { release = done; changed(); })).catch(() => { asked = false; });
    } else if (!wanted && release) {
      release();
      release = null;
      asked = false;
    }
    return wanted && release !== null;
  }

  /* Returns the lease of a tab at a time, and whether it may sound: a lease is renewed as long as its tab lives, and of two that take
     one at the same time the later writer has it, which both have seen a second later. */
  function lease(found, tab, now) {
    const mine = found !== null && found.tab === tab;
    if (found && !mine && now >= found.at && now - found.at < LEASE_MS) return { lease: found, holds: false };
    const since = mine ? found.since : now;
    return { lease: { tab, since, at: now }, holds: mine && now - since >= SURE_MS };
  }

  function read() { try { return JSON.parse(localStorage.getItem(LEASE)); } catch { return null; } }

  /* Browsers have locks on secure pages alone; others share a lease in the storage of their tabs. */
  function leased(wanted) {
    const found = read();
    if (!wanted) {
      if (found && found.tab === TAB) localStorage.removeItem(LEASE);
      return false;
    }
    const next = lease(found, TAB, Date.now());
    try {
      if (next.lease.tab === TAB) localStorage.setItem(LEASE, JSON.stringify(next.lease));
    } catch { return true; /* a private window without storage knows of no other tab */ }
    return next.holds;
  }

  /* Returns whether this tab is the one that sounds; `on` if somebody wants sound, `running` if the browser lets it play. */
  function holds(on, running, changed) {
    const now = Date.now();
    if (running) ran_at = now;
    const wanted = on && now - ran_at < HICCUP_MS;
    return navigator.locks ? locked(wanted, changed) : leased(wanted);
  }

  window.addEventListener("pagehide", () => { if (!navigator.locks) leased(false); });
  window.pumpwatch = Object.assign(window.pumpwatch || {}, { sounder: { holds, lease } });
})();
