/* Alarm sounds after IEC 60601-1-8, made by WebAudio: which sounds when, the pause, and the panel that controls them. */
(function () {
  "use strict";
  const { tr } = window.pumpwatch;
  const KEY = "pumpwatch-attention", NAMES = ["high", "medium", "low"];
  const MAX_PAUSE_MIN = 10, LOST_MS = 30000, ASLEEP_MS = 90000, LOUDNESS = 0.3, FADE_S = 0.01;

  /* Pulses and their spacing in seconds. High: twice 3 + 2 pulses, as the standard has it; it comes again every 10 s, so
     that 6.6 s are left to talk in (allowed: 2.5 to 15). The pitches rise with the priority, 150 to 1,000 Hz. */
  const SOUNDS = {
    high: { hz: 660, lasts: 0.15, gaps: [0.1, 0.1, 0.35, 0.1, 0.6, 0.1, 0.1, 0.35, 0.1], repeat_s: 10 },
    medium: { hz: 523, lasts: 0.2, gaps: [0.2, 0.2], repeat_s: 25 },
    low: { hz: 392, lasts: 0.2, gaps: [0.2], repeat_s: 30 },
  };
  const HARMONICS = [1, 0.7, 0.5, 0.4, 0.3];

  /* Returns the pulses of one burst: when each begins and how long it lasts, in seconds, and what it is made of. */
  function burst(name) {
    const sound = SOUNDS[name];
    let at = 0;
    return [...sound.gaps, 0].map((gap) => {
      const pulse = { at, lasts: sound.lasts, rise: 0.15 * sound.lasts, hz: sound.hz, harmonics: HARMONICS.map((gain, n) => ({ hz: sound.hz * (n + 1), gain })) };
      at += sound.lasts + gap;
      return pulse;
    });
  }

  /* A pause is for the alarms that somebody has heard. Every new high alarm ends it, because it is about another patient,
     and so does a new alarm of a higher priority than all that waited; so does a server that counts from the start. */
  function ends_pause(pause, now_ms, attention) {
    if (!pause || !(pause.until > now_ms && pause.until - now_ms <= MAX_PAUSE_MIN * 60000)) return true;
    if (!attention) return false;
    return pause.epoch !== attention.epoch || attention.totals.some((total, n) => total > pause.totals[n] && (n === 0 || n < pause.worst));
  }

  function worst_of(waiting) {
    const found = waiting.findIndex((count) => count > 0);
    return found < 0 ? NAMES.length : found;
  }

  /* Returns what the header says and whether a burst begins. Without data for long, nobody hears of new alarms: medium. */
  function decide(state) {
    const waiting = [...(state.waiting || [0, 0, 0])];
    if (state.lost) waiting[1] += 1;
    const priority = NAMES[worst_of(waiting)] || "";
    const left_s = state.paused_until > state.now ? Math.ceil((state.paused_until - state.now) / 1000) : 0;
    if (!state.on) return { status: "off", priority: "", play: false, left_s: 0 };
    if (left_s) return { status: "paused", priority: "", play: false, left_s };
    if (!state.running) return { status: "blocked", priority: "", play: false, left_s: 0 };
    if (!priority || !state.holder) return { status: "on", priority: "", play: false, left_s: 0 };
    const due = state.played !== priority || state.now - state.played_at >= 1000 * SOUNDS[priority].repeat_s;
    return { status: "on", priority, play: due, left_s: 0 };
  }

  function settings() {
    try { return { sound: false, notify: false, pause_min: 2, pause: null, ...JSON.parse(localStorage.getItem(KEY)) }; } catch { return { sound: false, notify: false, pause_min: 2, pause: null }; }
  }
  function keep(changes) {
    try { localStorage.setItem(KEY, JSON.stringify({ ...settings(), ...changes })); } catch { /* a private window: nothing is kept */ }
    tick();
  }

  let attention = null, heard_at = 0, ticked_at = Date.now(), audio = null, playing = null, played = "", played_at = 0, shown = "";
  const element = (name) => document.getElementById(name);

  function sound_device() {
    if (!audio) { audio = new AudioContext(); audio.onstatechange = () => tick(); }
    if (audio.state !== "running") audio.resume().catch(() => {});
    return audio;
  }

  function stop() {
    if (!playing) return;
    playing.gain.cancelScheduledValues(audio.currentTime);
    playing.gain.setTargetAtTime(0, audio.currentTime, FADE_S);
    for (const pulse of playing.pulses) pulse.stop(audio.currentTime + 10 * FADE_S);
    playing = null;
  }

  function play(name) {
    stop();
    const out = sound_device(), bus = out.createGain(), begin = out.currentTime + 0.05;
    bus.gain.value = LOUDNESS;
    bus.connect(out.destination);
    const pulses = burst(name).map((pulse) => {
      const tone = out.createOscillator(), envelope = out.createGain(), from = begin + pulse.at, to = from + pulse.lasts;
      const partials = new Float32Array([0, ...pulse.harmonics.map((harmonic) => harmonic.gain)]);
      tone.setPeriodicWave(out.createPeriodicWave(new Float32Array(partials.length), partials));
      tone.frequency.value = pulse.hz;
      envelope.gain.setValueAtTime(0, from);
      envelope.gain.linearRampToValueAtTime(1, from + pulse.rise);
      envelope.gain.setValueAtTime(1, to - pulse.rise);
      envelope.gain.linearRampToValueAtTime(0, to);
      tone.connect(envelope).connect(bus);
      tone.start(from);
      tone.stop(to);
      return tone;
    });
    pulses[pulses.length - 1].onended = () => bus.disconnect();
    playing = { gain: bus.gain, pulses };
  }

  function tick() {
    const now = Date.now(), mine = settings();
    if (now - ticked_at > ASLEEP_MS && heard_at) heard_at = now;
    ticked_at = now;
    const ended = mine.pause && ends_pause(mine.pause, now, attention);
    if (ended) { keep({ pause: null }); return; }
    const running = audio !== null && audio.state === "running";
    const next = decide({
      on: mine.sound, running, holder: window.pumpwatch.sounder.holds(mine.sound, running, tick), waiting: attention && attention.waiting, paused_until: mine.pause ? mine.pause.until : 0,
      lost: heard_at > 0 && now - heard_at > LOST_MS, now, played, played_at,
    });
    if (next.priority !== played) { stop(); played = next.priority; played_at = 0; }
    if (next.play) { play(next.priority); played = next.priority; played_at = now; }
    show(next, mine);
  }

  function write(name, text) {
    const found = element(name);
    if (found && found.textContent !== text) found.textContent = text;
  }

  function show(next, mine) {
    const button = element("attention-open");
    if (!button) return;
    const left = Math.floor(next.left_s / 60) + ":" + String(next.left_s % 60).padStart(2, "0");
    const words = { off: tr("Sound off"), blocked: tr("Sound blocked: click"), paused: tr("Sound paused {left}", { left }), on: tr("Sound on") };
    const notes = {
      off: tr("Sound is off in this browser: new alarms are silent."),
      blocked: tr("Sound is on, but the browser plays none before you have clicked or typed on this page."),
      paused: tr("Sound is paused for another {left}. A new high alarm ends the pause.", { left }),
      on: tr("Unacknowledged alarms sound in this browser."),
    };
    write("attention-open", words[next.status]);
    if (button.dataset.status !== next.status) button.dataset.status = next.status;
    if (element("attention-panel").hidden) return;
    write("attention-note", notes[next.status]);
    write("attention-sound", mine.sound ? tr("Turn sound off") : tr("Turn sound on"));
    write("attention-pause", next.status === "paused" ? tr("End the pause") : tr("Pause sound"));
    const pause = element("attention-pause"), minutes = element("attention-minutes");
    if (pause) pause.disabled = !mine.sound;
    if (minutes && shown !== "minutes") { minutes.value = String(mine.pause_min); shown = "minutes"; }
    const state = notification_state(mine);
    write("attention-notify", state === "on" ? tr("Turn notifications off") : tr("Turn notifications on"));
    write("attention-notify-note", { unknown: tr("This browser shows no notifications."), denied: tr("This browser blocks notifications of this site; allow them in its settings."), on: tr("One for each new high or medium alarm."), off: tr("Off.") }[state]);
  }

  function notification_state(mine) {
    if (typeof Notification === "undefined") return "unknown";
    if (Notification.permission === "denied") return "denied";
    return mine.notify && Notification.permission === "granted" ? "on" : "off";
  }

  function open(wanted) {
    const panel = element("attention-panel"), button = element("attention-open");
    if (!panel || panel.hidden !== wanted) return;
    panel.hidden = !wanted;
    button.setAttribute("aria-expanded", String(wanted));
    if (wanted) tick();
  }

  const doing = {
    open() { open(element("attention-panel").hidden); },
    sound() { const on = !settings().sound; if (on) sound_device(); keep({ sound: on, pause: null }); },
    pause() {
      const mine = settings(), minutes = Math.min(MAX_PAUSE_MIN, Math.max(1, Number(element("attention-minutes").value) || 2));
      const waiting = attention ? attention.waiting : [0, 0, 0];
      const pause = { until: Date.now() + minutes * 60000, worst: worst_of(waiting), epoch: attention ? attention.epoch : 0, totals: attention ? attention.totals : [0, 0, 0] };
      keep({ pause_min: minutes, pause: mine.pause ? null : pause });
    },
    async notify() {
      if (typeof Notification === "undefined") return;
      if (notification_state(settings()) === "on") { keep({ notify: false }); return; }
      keep({ notify: await Notification.requestPermission() === "granted" });
    },
    high() { play("high"); }, medium() { play("medium"); }, low() { play("low"); },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-attention]");
    if (button && doing[button.dataset.attention]) doing[button.dataset.attention]();
    else if (!event.target.closest("#attention-panel")) open(false);
  });
  document.addEventListener("keydown", (event) => {
    const panel = element("attention-panel");
    if (event.key !== "Escape" || !panel || panel.hidden) return;
    open(false);
    element("attention-open").focus();
  });
  /* Browsers play nothing before a person has done something on the page. */
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => { if (settings().sound && (!audio || audio.state !== "running")) sound_device(); });
  window.addEventListener("storage", (event) => { if (event.key === KEY) tick(); });

  function hear(fresh) {
    if (!fresh) return;
    attention = fresh;
    heard_at = Date.now();
    tick();
    window.pumpwatchAnnounce.hear(attention);
  }

  window.pumpwatchAttention = { burst, decide, ends_pause, settings, notification_state, hear, repeat_s: (name) => SOUNDS[name].repeat_s };
  if (settings().sound) sound_device();
  setInterval(tick, 1000);
})();
