// The attacks by which a script on the application's own origin can try to get at a code. Each attack runs in the page /attack,
// against any address, and passes what it obtains to `keep`.

/** The page that the attacks run in. Its helpers are the attacker's. */
export const ATTACK_PAGE = `<!doctype html><html lang="en"><title>Attack</title><link rel="icon" href="data:,"><body><script>
  const loot = [];
  const keep = (text) => { if (!loot.includes(text)) loot.push(text); };
  const channel = new BroadcastChannel('loot');
  channel.onmessage = ({ data }) => keep(data);
  /** Repeatedly reads what \`look\` can see. */
  const watch = (look) => setInterval(() => { try { keep(String(look())); } catch (error) { keep('refused: ' + error.name); } }, 40);
  const page = (w) => w.document.documentElement.outerHTML;
  const add = (name, attributes = {}, parent = document.body) => {
    const one = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    return parent.appendChild(one);
  };
  const post = (action, target) => add('form', { method: 'post', action, target }).submit();
  /** Plants a worker and waits until it controls this page. */
  const plant = async (how, scope = '/') => {
    const registration = await navigator.serviceWorker.register('/worker.js?how=' + how, { scope });
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    while (worker.state !== 'activated') await new Promise((done) => setTimeout(done, 20));
    keep('planted');
  };
</script>`;

/** The workers of the attacks, by \`how\`. */
export const WORKER = `
const how = new URL(location).searchParams.get('how');
const channel = new BroadcastChannel('loot');
const mine = (request) => request.mode === 'navigate' && !/attack/.test(request.url);
addEventListener('install', (event) => {
  if (how.startsWith('race')) event.addRoutes({ condition: { requestMode: 'navigate' }, source: 'race-network-and-fetch-handler' });
  skipWaiting();
});
addEventListener('activate', (event) => event.waitUntil((async () => {
  if (how === 'preload') await registration.navigationPreload.enable();
  await clients.claim();
})()));
addEventListener('fetch', (event) => {
  channel.postMessage('seen: ' + event.request.url);
  if (!mine(event.request) || how === 'watch') return;
  event.respondWith((async () => {
    const response = (how === 'preload' && await event.preloadResponse) || await fetch(event.request);
    const copy = response.clone();
    if (how === 'cache') {
      await (await caches.open('loot')).put(new Request('/loot'), response.clone());
    }
    channel.postMessage(await copy.text());
    return response;
  })());
});
`;

// In the attacks: helpers of the page above, which the reader of this file does not know.
/* global keep, watch, page, add, post, plant, channel */

/**
 * - `name`, and its rows in docs/security.md
 * - `run(target)`: in the page
 * - `posts`: the attack makes the browser navigate as a person would, so a code may be made; it must not be read
 * - `cached`: it reads a cache, which browsers leave empty where they do not trust the certificate; `localhost` needs none
 * - `elsewhere`: it leaves its own page, and a second page collects the result
 * - `only`: the only browser in which the attack is possible
 */
export const ATTACKS = [
  // Asking for it.
  { name: 'fetch by POST (D1)', run: async (target) => keep(await (await fetch(target, { method: 'POST', credentials: 'include' })).text()) },
  { name: 'fetch by GET (D1)', run: async (target) => keep(await (await fetch(target, { credentials: 'include' })).text()) },
  { name: 'XMLHttpRequest (D1)', run: (target) => {
    const request = new XMLHttpRequest();
    request.onload = () => keep(request.responseText);
    request.open('POST', target);
    request.send();
  } },
  { name: 'fetch with forged metadata (D2)', run: async (target) => {
    const forged = { 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-User': '?1' };
    for (const headers of [forged, { ...forged, 'X-HTTP-Method-Override': 'POST', Accept: 'text/html' }]) {
      for (const method of ['POST', 'GET']) keep(await (await fetch(target, { method, headers })).text());
    }
  } },
  { name: 'fetch from a worker (D1)', run: (target) => {
    const source = `fetch(${JSON.stringify(new URL(target, location).href)}, { method: 'POST', credentials: 'include' }).then((a) => a.text()).then((t) => postMessage(t))`;
    new Worker(URL.createObjectURL(new Blob([source]))).onmessage = ({ data }) => keep(data);
  } },

  // Framing it.
  { name: 'a form into a frame (D3)', run: (target) => {
    const frame = add('iframe', { name: 'framed' });
    post(target, 'framed');
    watch(() => page(frame.contentWindow));
  } },
  { name: 'a frame by its address (D3)', run: (target) => {
    const frame = add('iframe', { src: target });
    watch(() => page(frame.contentWindow));
  } },
  { name: 'a sandboxed frame that keeps the origin (D3)', run: (target) => {
    const frame = add('iframe', { name: 'boxed', sandbox: 'allow-same-origin allow-scripts allow-forms' });
    post(target, 'boxed');
    watch(() => page(frame.contentWindow));
  } },
  { name: 'a frame that posts by itself (D3)', run: (target) => {
    const frame = add('iframe', { srcdoc: `<form method="post" action="${target}"></form><script>document.forms[0].submit()</script>` });
    watch(() => page(frame.contentWindow));
  } },
  { name: 'object (D4)', run: (target) => {
    const object = add('object', { data: target, type: 'text/html' });
    watch(() => object.contentDocument.documentElement.outerHTML);
  } },
  { name: 'embed (D4)', run: (target) => {
    add('embed', { src: target, type: 'text/html' });
    watch(() => page(window[0]));
  } },

  // Opening it in a window, and looking in.
  { name: 'a form into a window (D7, D26)', posts: true, run: (target) => {
    const w = window.open('', 'stolen');
    post(target, 'stolen');
    watch(() => page(w));
  } },
  { name: 'a window by its address (D7)', run: (target) => {
    const w = window.open(target);
    watch(() => page(w));
  } },
  { name: 'a window asked for by its name again (D7)', posts: true, run: (target) => {
    window.open('', 'named');
    post(target, 'named');
    setTimeout(() => watch(() => page(window.open('', 'named'))), 800);
  } },
  { name: 'a link that keeps its opener (D7)', run: (target) => {
    add('a', { href: target, target: 'linked', rel: 'opener' }).click();
    setTimeout(() => { const w = window.open('', 'linked'); watch(() => page(w)); }, 1000);
  } },
  { name: 'a window that looks at its opener (D7)', posts: true, elsewhere: true, run: (target) => {
    const helper = window.open('', 'helper');
    const source = helper.document.createElement('script');
    source.textContent = `
      const channel = new BroadcastChannel('loot'), said = new Set();
      setInterval(() => { try { const t = opener.document.documentElement.outerHTML; if (!said.has(t)) channel.postMessage(t); said.add(t); } catch (error) { channel.postMessage('refused: ' + error.name); } }, 40);`;
    helper.document.body.append(source);
    // This page itself navigates there; another page of the origin collects.
    setTimeout(() => post(target, '_self'), 200);
  } },
  { name: 'a script put into the window (D7)', posts: true, run: (target) => {
    const w = window.open('', 'injected');
    post(target, 'injected');
    setInterval(() => {
      try {
        if (w.location.href.includes('about:') || w.document.readyState !== 'complete' || w.done) return;
        const script = w.document.createElement('script');
        script.textContent = "window.done = true; new BroadcastChannel('loot').postMessage(document.documentElement.outerHTML)";
        w.document.body.append(script);
      } catch (error) { keep('refused: ' + error.name); }
    }, 40);
  } },
  { name: 'document.domain (D7)', posts: true, run: (target) => {
    const w = window.open('', 'domain');
    post(target, 'domain');
    let same = false;
    watch(() => {
      if (!same && w.location.pathname === target) {
        w.document.domain = location.hostname;
        document.domain = location.hostname;
        same = true;
      }
      return page(w);
    });
  } },
  { name: 'resource timing of the window (D33)', posts: true, run: (target) => {
    const w = window.open('', 'timed');
    post(target, 'timed');
    // A stream is listed once it ends.
    watch(() => { if (w.location.pathname === target && w.document.readyState === 'complete') w.stop(); return w.performance.getEntries().map(({ name }) => name).join('\\n'); });
  } },

  // Having it prefetched, and reading it from a cache.
  { name: 'link rel=prefetch, then the cache (D5, D16)', cached: true, run: (target) => {
    add('link', { rel: 'prefetch', href: target }, document.head);
    setInterval(async () => { try { keep(await (await fetch(target, { cache: 'only-if-cached', mode: 'same-origin' })).text()); } catch { /* not there */ } }, 100);
  } },
  { name: 'link rel=preload, then the cache (D5, D16)', cached: true, run: (target) => {
    add('link', { rel: 'preload', as: 'fetch', crossorigin: 'use-credentials', href: target }, document.head);
    setInterval(async () => { try { keep(await (await fetch(target, { cache: 'only-if-cached', mode: 'same-origin' })).text()); } catch { /* not there */ } }, 100);
  } },
  { name: 'the HTTP cache after a person saw the page (D16)', cached: true, posts: true, run: (target) => {
    window.open(target, 'person');
    // A POST takes what a GET left out of the cache (RFC 9111, section 4.4): the attack needs time between the two.
    setTimeout(() => { window.open('', 'person-too'); post(target, 'person-too'); }, 1500);
    setInterval(async () => {
      try { keep(await (await fetch(target, { cache: 'only-if-cached', mode: 'same-origin' })).text()); } catch { /* not there */ }
    }, 50);
  } },

  // Intercepting the navigation.
  { name: 'a worker that passes the form on (D8, D11)', posts: true, run: async (target) => {
    await plant('pass');
    window.open('', 'worked');
    post(target, 'worked');
  } },
  { name: 'a worker that passes the page on (D8)', run: async (target) => {
    await plant('pass');
    window.open(target);
  } },
  { name: 'a worker just for this path (D8, D12)', posts: true, run: async (target) => {
    await plant('pass', target);
    window.open('', 'worked');
    post(target, 'worked');
  } },
  { name: 'a worker with navigation preload (D9)', run: async (target) => {
    await plant('preload');
    window.open(target);
  } },
  { name: 'a worker with navigation preload, by POST (D9, D11)', posts: true, run: async (target) => {
    await plant('preload');
    window.open('', 'worked');
    post(target, 'worked');
  } },
  { name: 'a worker in a race with the network (D10)', only: 'chromium', run: async (target) => {
    await plant('race');
    window.open(target);
  } },
  { name: 'a worker in a race with the network, by POST (D10, D11)', only: 'chromium', posts: true, run: async (target) => {
    await plant('race');
    window.open('', 'worked');
    post(target, 'worked');
  } },
  { name: 'a worker that fills its own cache (D16)', posts: true, run: async (target) => {
    await plant('cache');
    window.open(target);
    window.open('', 'worked');
    post(target, 'worked');
    setInterval(async () => { const found = await caches.match('/loot'); if (found) keep(await found.text()); }, 100);
  } },
  { name: 'a worker that watches what the page fetches (D31)', posts: true, run: async (target) => {
    await plant('watch');
    window.open('', 'watched');
    post(target, 'watched');
  } },
];

/**
 * Everything that makes a browser request an address without a navigation. The responses cannot be read; the aim is to
 * have a code made, or used up, unseen (D1, D5, D6, D29).
 */
export const MENTIONS = {
  img: (target) => add('img', { src: target }),
  script: (target) => add('script', { src: target }),
  module: (target) => add('script', { src: target, type: 'module' }),
  import: (target) => import(target).catch(() => {}),
  style: (target) => add('link', { rel: 'stylesheet', href: target }, document.head),
  '@import': (target) => { add('style').textContent = `@import url("${target}")`; },
  background: (target) => { document.body.style.background = `url("${target}")`; },
  font: (target) => { add('style').textContent = `@font-face { font-family: x; src: url("${target}") }`; add('p', { style: 'font-family: x' }).textContent = 'x'; },
  video: (target) => add('video', { src: target, preload: 'auto' }),
  audio: (target) => add('audio', { src: target, preload: 'auto' }),
  'svg image': (target) => {
    const svg = document.body.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'svg'));
    svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'image')).setAttribute('href', target);
  },
  'input image': (target) => add('input', { type: 'image', src: target }),
  iframe: (target) => add('iframe', { src: target }),
  refresh: (target) => add('iframe', { srcdoc: `<meta http-equiv="refresh" content="0; url=${target}">` }),
  object: (target) => add('object', { data: target }),
  embed: (target) => add('embed', { src: target }),
  worker: (target) => new Worker(target),
  'shared worker': (target) => new SharedWorker(target),
  events: (target) => new EventSource(target),
  beacon: (target) => navigator.sendBeacon(target, 'x'),
  keepalive: (target) => fetch(target, { method: 'POST', keepalive: true, mode: 'no-cors' }),
  prefetch: (target) => add('link', { rel: 'prefetch', href: target }, document.head),
  preload: (target) => add('link', { rel: 'preload', as: 'fetch', crossorigin: 'use-credentials', href: target }, document.head),
  modulepreload: (target) => add('link', { rel: 'modulepreload', href: target }, document.head),
  window: (target) => window.open(target),
  download: (target) => add('a', { href: target, download: 'x' }).click(),
};

/** The same, where only Chromium does it. */
export const MENTIONS_OF_CHROMIUM = {
  ping: (target) => add('a', { href: '#here', ping: target }).click(),
  speculated: (target) => { add('script', { type: 'speculationrules' }).textContent = JSON.stringify({ prefetch: [{ urls: [target], eagerness: 'immediate' }] }); },
  prerendered: (target) => { add('script', { type: 'speculationrules' }).textContent = JSON.stringify({ prerender: [{ urls: [target], eagerness: 'immediate' }] }); },
};
