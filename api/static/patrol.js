// A round on a phone: what is entered is kept on the phone first, and sent as soon as there is a connection.
//
// Every answer has a key that is drawn here, so that sending it twice does no harm. Without this script the page's form
// sends by itself.
"use strict";

(() => {
  const told = document.getElementById("patrol");
  if (!told || !window.indexedDB) return;
  const form = document.getElementById("patrol-form");
  const banner = document.getElementById("patrol-queue");
  const refusedList = document.getElementById("patrol-refused");
  const patrol = told.dataset.patrol;
  const RETRY_MS = 10_000;
  const TIMEOUT_MS = 20_000;
  const LONGEST_SIDE_PX = 1600;
  const PREFETCHED_AT_ONCE = 2;
  let csrf = told.dataset.csrf;
  let isSending = false;
  let isOffline = false;
  let isSignedOut = false;

  // The queue, in the browser's own store: it outlives the page, the browser and an empty battery.

  function open() {
    return new Promise((resolve, reject) => {
      const asked = indexedDB.open("liandong-patrols", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore("queue", { keyPath: "id", autoIncrement: true });
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  }

  async function inStore(mode, act) {
    const base = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = base.transaction("queue", mode);
        const asked = act(transaction.objectStore("queue"));
        transaction.oncomplete = () => resolve(asked.result);
        transaction.onerror = () => reject(transaction.error);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      base.close();
    }
  }

  const waiting = () => inStore("readonly", (store) => store.getAll());
  const keep = (entry) => inStore("readwrite", (store) => store.put(entry));
  const drop = (id) => inStore("readwrite", (store) => store.delete(id));

  function drawKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Sending: one entry after the other, photos after their answers.

  class Unreachable extends Error {}

  async function post(path, options) {
    let answer;
    try {
      answer = await fetch(path, {
        method: "POST", redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options,
        headers: { Accept: "application/json", "X-CSRF-Token": csrf, ...options.headers },
      });
    } catch {
      throw new Unreachable();
    }
    if (answer.status >= 500 || answer.status === 429) throw new Unreachable();
    return answer;
  }

  async function problemOf(answer) {
    try { return await answer.json(); } catch { return {}; }
  }

  // A form token is of one sign-in; after another one the page has to say the new one.
  async function renewToken() {
    const page = await fetch(`/patrols/${patrol}`, { cache: "no-store", redirect: "manual" });
    const found = page.ok ? (await page.text()).match(/data-csrf="([^"]*)"/) : null;
    if (!found || found[1] === csrf) return false;
    csrf = found[1];
    return true;
  }

  async function sendEntry(entry) {
    if (entry.body) {
      const options = { body: JSON.stringify(entry.body), headers: { "Content-Type": "application/json" } };
      const path = `/api/v1/patrols/${entry.patrol}/results`;
      let answer = await post(path, options);
      let problem = answer.ok ? null : await problemOf(answer);
      if (answer.status === 403 && /forged/.test(problem.type ?? "") && await renewToken()) {
        answer = await post(path, options);
        problem = answer.ok ? null : await problemOf(answer);
      }
      if (answer.status === 401) { isSignedOut = true; return false; }
      if (answer.ok) {
        const taken = await answer.json();
        if (taken.refused.length) await keep({ ...refusalOf(entry, taken.refused.map((each) => each.reason).join(", ")) });
      } else {
        const why = answer.status === 403 ? told.dataset.textNotPermitted : problem.detail ?? `${answer.status}`;
        await keep({ ...entry, refused: why });
        return true;
      }
      entry.body = null;
      await keep(entry);
    }
    while (entry.photos?.length) {
      const body = new FormData();
      body.set("key", entry.photos[0].key);
      body.set("file", entry.photos[0].blob, "photo.jpg");
      const answer = await post(`/api/v1/patrols/${entry.patrol}/photos`, { body });
      if (answer.status === 401) { isSignedOut = true; return false; }
      if (!answer.ok) { await keep({ ...entry, refused: (await problemOf(answer)).detail ?? `${answer.status}` }); return true; }
      entry.photos.shift();
      await keep(entry);
    }
    await drop(entry.id);
    return true;
  }

  function refusalOf(entry, why) {
    return { patrol: entry.patrol, actor: entry.actor, stop: entry.stop, refused: why, count: 1 };
  }

  async function flush() {
    if (isSending) return;
    isSending = true;
    isSignedOut = false;
    try {
      for (const entry of await waiting()) {
        if (entry.refused || entry.actor !== told.dataset.actor) continue;
        if (!(await sendEntry(entry))) break;
      }
      isOffline = false;
    } catch (error) {
      if (!(error instanceof Unreachable)) console.warn(error);
      isOffline = true;
    } finally {
      isSending = false;
      await show();
    }
  }

  // What the page says about it.

  let hadWaiting = false;

  async function show() {
    const entries = await waiting();
    const mine = entries.filter((entry) => entry.actor === told.dataset.actor && !entry.refused);
    const count = mine.reduce((sum, entry) => sum + (entry.body ? entry.body.results.length + entry.body.scans.length : 0) + (entry.photos?.length ?? 0), 0);
    const others = entries.filter((entry) => entry.actor !== told.dataset.actor).length;
    const parts = [];
    if (count) parts.push(`${told.dataset.textWaiting} ${count}`);
    if (count && isOffline) parts.push(told.dataset.textOffline);
    if (isSignedOut) parts.push(told.dataset.textSignedOut);
    if (others) parts.push(`${told.dataset.textOthers} ${others}`);
    if (!parts.length && hadWaiting) parts.push(told.dataset.textSent);
    if (count) hadWaiting = true;
    banner.hidden = !parts.length;
    banner.dataset.state = count || isSignedOut || others ? "waiting" : "sent";
    banner.dataset.waiting = `${count}`;
    const words = parts.join(" · ");
    if (banner.textContent !== words) banner.textContent = words;
    const stops = new Set(mine.filter((entry) => entry.patrol === patrol).map((entry) => `${entry.stop}`));
    for (const link of document.querySelectorAll(".patrol-way a")) {
      let chip = link.querySelector(".waits");
      if (stops.has(link.dataset.stop) && !chip) {
        chip = document.createElement("small");
        chip.className = "chip waits";
        chip.textContent = told.dataset.textStopWaits;
        link.querySelector(".way-name").append(" ", chip);
      } else if (!stops.has(link.dataset.stop)) chip?.remove();
    }
    showRefused(entries.filter((entry) => entry.refused && entry.actor === told.dataset.actor));
  }

  function showRefused(entries) {
    refusedList.hidden = !entries.length;
    refusedList.replaceChildren(...entries.map((entry) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = told.dataset.textDiscard;
      button.addEventListener("click", async () => { await drop(entry.id); await show(); });
      item.append(`${told.dataset.textRefused} ${entry.refused} `, button);
      return item;
    }));
  }

  // What is entered.

  async function shrunk(file) {
    try {
      const image = await createImageBitmap(file);
      const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(image.width, image.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(image.width * scale));
      canvas.height = Math.max(1, Math.round(image.height * scale));
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.82));
    } catch {
      return file;
    }
  }

  async function entered() {
    const data = new FormData(form);
    const checkpoint = Number(form.dataset.checkpoint);
    const at = Date.now();
    const results = [];
    const photos = [];
    for (const field of form.querySelectorAll("fieldset[data-item]")) {
      const item = field.dataset.item;
      const choice = data.get(`ok-${item}`);
      const typed = (data.get(`value-${item}`) ?? "").trim().replace(",", ".");
      if (!choice && !typed) continue;
      const result = { checkpoint, item, at, key: drawKey(), note: data.get(`note-${item}`) ?? "" };
      if (choice === "skip") result.skipped = true;
      else if (typed) result.value = Number(typed);
      else result.ok = choice === "yes";
      results.push(result);
      const file = data.get(`photo-${item}`);
      if (file instanceof File && file.size) photos.push({ key: result.key, blob: await shrunk(file) });
    }
    return { results, photos };
  }

  function verdictOf(input) {
    const typed = input.value.trim().replace(",", ".");
    if (!typed) return "";
    const value = Number(typed);
    const { low, high, possibleLow, possibleHigh } = input.dataset;
    if (!Number.isFinite(value) || value < Number(possibleLow) || value > Number(possibleHigh)) return "impossible";
    return (low !== undefined && value < Number(low)) || (high !== undefined && value > Number(high)) ? "wrong" : "right";
  }

  function judge(input) {
    const line = input.closest("fieldset").querySelector(".verdict");
    const verdict = verdictOf(input);
    line.dataset.verdict = verdict;
    line.textContent = { "": "", right: told.dataset.textRight, wrong: told.dataset.textWrong, impossible: told.dataset.textImpossible }[verdict];
    return verdict;
  }

  async function submit(event) {
    event.preventDefault();
    const measured = [...form.querySelectorAll("input[inputmode=decimal]")];
    const bad = measured.find((input) => judge(input) === "impossible");
    if (bad) { bad.focus(); return; }
    const button = document.getElementById("patrol-send");
    button.disabled = true;
    try {
      const { results, photos } = await entered();
      if (!results.length) {
        banner.hidden = false;
        banner.textContent = told.dataset.textNothing;
        return;
      }
      await keep({ patrol, actor: told.dataset.actor, stop: form.dataset.checkpoint, body: { results, scans: [] }, photos });
      await flush();
      const next = form.dataset.next ?? `/patrols/${patrol}`;
      if (!isOffline || await isKept(next)) location.assign(next);
      else form.reset();
    } finally {
      button.disabled = false;
    }
  }

  async function isKept(path) {
    return "caches" in window && Boolean(await caches.match(new URL(path, location.origin).href));
  }

  async function noteScan() {
    const asked = new URLSearchParams(location.search);
    if (!asked.has("scanned") || !form || !("scanned" in form.dataset || asked.get("at"))) return;
    const code = (asked.get("at") ?? "").toUpperCase();
    if (code !== form.dataset.code) return;
    const scan = { code, at: Date.now(), key: drawKey() };
    await keep({ patrol, actor: told.dataset.actor, stop: form.dataset.checkpoint, body: { results: [], scans: [scan] }, photos: [] });
    form.querySelector("[name=scanned_ms]")?.remove();
    asked.delete("scanned");
    history.replaceState(null, "", `${location.pathname}?${asked}`);
  }

  // The pages of the other stops are fetched ahead, for where there is no signal.
  async function fetchAhead() {
    await navigator.serviceWorker.ready;
    const links = [...document.querySelectorAll(".patrol-way a[data-open]")].map((link) => link.href);
    const turns = [location.href, ...links].values();
    const one = async () => {
      for (const address of turns) {
        if (await caches.match(address)) continue;
        try { await fetch(address, { headers: { Accept: "text/html" } }); } catch { return; }
      }
    };
    await Promise.all(Array.from({ length: PREFETCHED_AT_ONCE }, one));
    told.dataset.ready = "yes";
  }

  async function begin() {
    if (form) {
      form.addEventListener("submit", (event) => void submit(event));
      form.addEventListener("input", (event) => { if (event.target.matches("[inputmode=decimal]")) judge(event.target); });
    }
    await noteScan();
    await show();
    await flush();
    addEventListener("online", () => void flush());
    setInterval(() => { if (!banner.hidden) void flush(); }, RETRY_MS);
    if ("serviceWorker" in navigator && "caches" in window) {
      await navigator.serviceWorker.register(told.dataset.worker, { scope: "/" });
      await fetchAhead();
    }
  }

  void begin();
})();
