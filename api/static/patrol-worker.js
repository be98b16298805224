// Keeps the pages of a round on the phone, so that it can be walked where there is no signal.
//
// It only ever answers from its store what the network did not; what is sent goes through the page's own queue.
"use strict";

const STORE = "liandong-patrols-1";
const WAIT_MS = 5_000;
const MOST_KEPT = 400;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "POST" && (url.pathname === "/sign-out" || url.pathname === "/language")) {
    // What one person was shown stays with nobody else.
    event.waitUntil(caches.delete(STORE));
    return;
  }
  if (request.method !== "GET") return;
  if (url.pathname.startsWith("/static/") && url.searchParams.has("v")) event.respondWith(asset(request));
  else if (/^\/patrols\/\d+$/.test(url.pathname)) event.respondWith(page(request, url));
  else if (/^\/c\/[A-Za-z0-9]+$/.test(url.pathname)) event.respondWith(code(request, url));
});

async function asset(request) {
  const store = await caches.open(STORE);
  const kept = await store.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await store.put(request, answer.clone());
  return answer;
}

// One address for one stop, whether it was scanned or chosen.
function nameOf(url) {
  const at = url.searchParams.get("at");
  return url.origin + url.pathname + (at ? `?at=${encodeURIComponent(at)}` : "");
}

async function page(request, url) {
  const store = await caches.open(STORE);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(WAIT_MS) });
    if (answer.ok && answer.type === "basic" && !answer.redirected) {
      await store.put(nameOf(url), answer.clone());
      await trim(store);
    }
    return answer;
  } catch {
    return (await store.match(nameOf(url))) ?? (await store.match(url.origin + url.pathname)) ?? Response.error();
  }
}

async function code(request, url) {
  try {
    return await fetch(request);
  } catch {
    const wanted = url.pathname.slice(3).toUpperCase();
    const store = await caches.open(STORE);
    for (const kept of (await store.keys()).reverse()) {
      if (new URL(kept.url).searchParams.get("at") === wanted) return Response.redirect(`${kept.url}&scanned=1`, 303);
    }
    return Response.error();
  }
}

async function trim(store) {
  const kept = await store.keys();
  for (const old of kept.slice(0, Math.max(0, kept.length - MOST_KEPT))) await store.delete(old);
}
