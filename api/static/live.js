// Keeps a page up to date by the live stream. Everything on it works without this script too, by loading again.
//
// The stream only says that something happened; what is shown always comes from the server as a finished fragment, so
// that a page can be old but never wrong. A pause of the stream loses nothing: after it the fragment is fetched anew.
"use strict";

(() => {
  const REFRESH_GAP_MS = 400;
  const REFRESH_EVERY_S = 30;
  const FETCH_TIMEOUT_MS = 10_000;
  const RETRY_FIRST_MS = 1_000;
  const RETRY_MOST_MS = 15_000;
  const ANNOUNCED_AT_ONCE = 3;

  const part = document.querySelector("[data-live]");
  const watched = document.querySelector("[data-watch]");
  const source = document.querySelector("[data-stream]");
  const indicator = document.getElementById("connection");
  const announcer = document.getElementById("announcer");
  const plainTitle = document.title.replace(/^\(\d+\) /, "");

  // What is shown, and how fresh it is.

  let isSignedOut = false;
  let isStreamOpen = false;
  let isRefreshFailing = false;

  function tellConnection() {
    if (!indicator) return;
    const readAt = part.querySelector("[data-read-at]")?.dataset.readAt ?? "";
    let state = "connecting", text = indicator.dataset.textConnecting;
    if (isSignedOut) [state, text] = ["signed-out", indicator.dataset.textSignedOut];
    else if (isRefreshFailing || (wasOpen && !isStreamOpen)) [state, text] = ["lost", `${indicator.dataset.textLost} ${readAt}`];
    else if (isStreamOpen) [state, text] = ["live", indicator.dataset.textLive];
    if (indicator.dataset.state === state && state !== "lost") return;
    indicator.dataset.state = state;
    indicator.querySelector(".connection-text").textContent = text;
  }

  function alarmsShown() {
    return new Map([...part.querySelectorAll("[data-alarm]")].map((item) => [item.dataset.alarm, item]));
  }

  function swap(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    // What the reader unfolded stays unfolded.
    for (const unfolded of part.querySelectorAll("details[open][id]")) {
      holder.content.querySelector(`details#${unfolded.id}`)?.setAttribute("open", "");
    }
    // Whoever is about to press a button shall not have it taken from under the finger for nothing.
    if (part.firstElementChild?.isEqualNode(holder.content.firstElementChild)) return;

    const before = new Set(alarmsShown().keys());
    const focusedId = part.contains(document.activeElement) ? document.activeElement.id : "";
    const focusedAlarm = part.contains(document.activeElement) ? document.activeElement.closest("[data-alarm]")?.id : "";
    const anchor = window.scrollY > 0 ? firstVisibleAlarm() : null;

    part.replaceChildren(holder.content);

    if (anchor) {
      const moved = document.getElementById(anchor.id);
      if (moved) window.scrollBy({ top: moved.getBoundingClientRect().top - anchor.top, behavior: "instant" });
    }
    const refocus = (focusedId && document.getElementById(focusedId))
      || (focusedAlarm && document.getElementById(focusedAlarm)?.querySelector("a"));
    if (refocus) refocus.focus({ preventScroll: true });

    if (announcer) tellNew([...alarmsShown()].filter(([id]) => !before.has(id)).map(([, item]) => item));
    const critical = Number(part.querySelector("[data-critical]")?.dataset.critical ?? 0);
    if (indicator) document.title = critical ? `(${critical}) ${plainTitle}` : plainTitle;
  }

  function firstVisibleAlarm() {
    for (const item of part.querySelectorAll("[data-alarm]")) {
      const top = item.getBoundingClientRect().top;
      if (top >= 0) return { id: item.id, top };
    }
    return null;
  }

  function tellNew(items) {
    if (!items.length) return;
    for (const item of items) item.classList.add("is-new");
    const said = items.slice(0, ANNOUNCED_AT_ONCE).map((item) => item.dataset.say);
    announcer.textContent = `${announcer.dataset.new} ${said.join(". ")}${items.length > said.length ? " …" : ""}`;
    if (items.some((item) => item.dataset.severity === "critical")) sound();
  }

  // Fetching the fragment: at most one at a time, never while a button is pressed.

  let isFetching = false;
  let isWanted = false;
  let isPressed = false;
  let lastFetchMs = -Infinity;
  let timer = 0;

  function refreshSoon() {
    if (!part || isSignedOut) return;
    isWanted = true;
    if (isFetching || timer) return;
    timer = setTimeout(() => { timer = 0; void refresh(); }, Math.max(0, lastFetchMs + REFRESH_GAP_MS - performance.now()));
  }

  async function refresh() {
    isWanted = false;
    isFetching = true;
    lastFetchMs = performance.now();
    try {
      const response = await fetch(part.dataset.live, {
        redirect: "manual", cache: "no-store", headers: { Accept: "text/html" }, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      });
      if (response.type === "opaqueredirect") {
        isSignedOut = true;
        closeStream();
      } else if (response.ok) {
        const html = await response.text();
        if (isPressed) isWanted = true;
        else swap(html);
        isRefreshFailing = false;
      } else {
        isRefreshFailing = true;
      }
    } catch {
      isRefreshFailing = true;
    } finally {
      isFetching = false;
      tellConnection();
      if (isWanted) refreshSoon();
    }
  }

  document.addEventListener("pointerdown", () => { isPressed = true; });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(() => { isPressed = false; }, 0));

  // The stream. The browser resumes a broken one by itself; one that was refused is opened again here, after what was
  // seen last.

  let stream = null;
  let wasOpen = false;
  let lastId = source?.dataset.after ?? "";
  let retryMs = RETRY_FIRST_MS;
  let retryTimer = 0;

  function openStream() {
    if (!source || stream || isSignedOut) return;
    clearTimeout(retryTimer);
    stream = new EventSource(`${source.dataset.stream}?after=${encodeURIComponent(lastId)}`);
    stream.addEventListener("open", () => {
      isStreamOpen = wasOpen = true;
      retryMs = RETRY_FIRST_MS;
      // What happened between the page and the stream, or while it was broken.
      refreshSoon();
      tellConnection();
    });
    stream.addEventListener("message", (event) => {
      lastId = event.lastEventId;
      if (watched) tellChange(event.data);
      refreshSoon();
    });
    stream.addEventListener("reset", (event) => {
      lastId = event.lastEventId;
      refreshSoon();
    });
    stream.addEventListener("error", () => {
      isStreamOpen = false;
      wasOpen = true;
      if (stream?.readyState === EventSource.CLOSED) {
        closeStream();
        retryTimer = setTimeout(openStream, retryMs);
        retryMs = Math.min(2 * retryMs, RETRY_MOST_MS);
      }
      refreshSoon();
      tellConnection();
    });
  }

  function closeStream() {
    clearTimeout(retryTimer);
    stream?.close();
    stream = null;
    isStreamOpen = false;
  }

  function tellChange(data) {
    if (JSON.parse(data).subject !== watched.dataset.watch) return;
    watched.querySelector(".changed").hidden = false;
  }

  // A form that needs no new page: sent from here, then the fragment tells what became of it.

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!part || !part.contains(form) || !("inPlace" in form.dataset)) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
      if (response.type === "opaqueredirect") await refresh();
      else form.submit();
    } catch {
      button.removeAttribute("aria-disabled");
      isRefreshFailing = true;
      tellConnection();
    }
  });

  // An optional sound for critical alarms. Browsers allow it only after the person has touched the page.

  const soundBox = document.getElementById("sound");
  let audio = null;

  function sound() {
    if (!soundBox?.checked) return;
    audio ??= new AudioContext();
    for (const [delay, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
      const tone = audio.createOscillator(), volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.2, audio.currentTime + delay);
      volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + delay + 0.2);
      tone.connect(volume).connect(audio.destination);
      tone.start(audio.currentTime + delay);
      tone.stop(audio.currentTime + delay + 0.22);
    }
  }

  if (soundBox) {
    soundBox.closest("[hidden]").hidden = false;
    soundBox.addEventListener("change", sound);
  }

  // Coming and going.

  if (source) {
    openStream();
    window.addEventListener("pagehide", closeStream);
    window.addEventListener("pageshow", (event) => { if (event.persisted) openStream(); });
    window.addEventListener("online", () => { closeStream(); openStream(); refreshSoon(); });
    window.addEventListener("offline", () => { closeStream(); wasOpen = true; if (part) tellConnection(); });
    if (!part) {
      // A browser keeps few connections open at a time: a page that nobody looks at gives its own back.
      document.addEventListener("visibilitychange", () => { if (document.hidden) closeStream(); else openStream(); });
    }
  }
  if (part) {
    setInterval(refreshSoon, 1000 * Number(part.dataset.every ?? REFRESH_EVERY_S));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshSoon(); });
    tellConnection();
  }
})();
