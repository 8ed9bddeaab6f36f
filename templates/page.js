(() => {
  'use strict';
  // The page is sandboxed: no cookies, no storage, an origin of its own. It knows two addresses and asks both without credentials.
  const own = document.currentScript.dataset;
  const byId = (id) => document.getElementById(id);
  const all = (what, within = document) => within.querySelectorAll(what);
  const { documentElement: root, body } = document;
  const [form, field, code, detail, problem, enlarge] = ['approve', 'number', 'code', 'detail', 'problem', 'enlarge'].map(byId);
  const [wait, bar] = ['wait', 'bar'].map(byId);
  // A page of the operator's may have no heading: then the states bring theirs.
  const heading = document.querySelector('h1') ?? detail.insertAdjacentElement('beforebegin', document.createElement('h1'));
  const decline = form.querySelector('[name=decision]');
  const FINAL = ['spent', 'undone', 'declined', 'expired', 'replaced', 'denied'];

  const bare = { credentials: 'omit', cache: 'no-store', redirect: 'error' };

  let state = 'issued', shown = '', claim = '', ended = false, last;
  // Whether the script gets through: not known at first.
  let reached, busy = false, plain = false;
  let source, patience, poller, ticker, failures = 0;
  let end = Date.now() + own.seconds * 1000, before = Infinity;

  const say = (text, urgent) => {
    byId('says').textContent = urgent ? '' : text;
    byId('alarm').textContent = urgent ? text : '';
  };
  const complain = (text) => {
    say(text, true);
    if (!problem) return;
    problem.textContent = text;
    field.setAttribute('aria-invalid', 'true');
    field.focus();
  };
  const spoken = (seconds) => {
    const [n, unit] = seconds % 60 ? [seconds, 'second'] : [seconds / 60, 'minute'];
    return new Intl.NumberFormat(root.lang, { style: 'unit', unit, unitDisplay: 'long' }).format(n);
  };

  // The page is written for a phone; for another kind of device these texts take the places of those that name it.
  const words = (kind) => byId('kinds')?.dataset[kind]?.split('|') ?? [];
  const reword = (element, text) => { if (element && text) element.textContent = text; };

  // Where motion is welcome, one state turns into the next; else it takes its place at once.
  function turn(change) {
    if (document.hidden || !document.startViewTransition || !matchMedia('(prefers-reduced-motion: no-preference)').matches) return change();
    document.startViewTransition(change).ready.catch(() => {});
  }

  // While the script gets through and no phone has claimed the code, there is nothing to type.
  function dress() {
    const idle = reached !== false && state === 'issued';
    const typed = !idle && ['issued', 'claimed'].includes(state);
    for (const element of all('[data-when]')) {
      const { when } = element.dataset;
      if (element !== code) element.hidden = when === 'typed' ? !typed : when !== state;
    }
    if (wait) wait.hidden = !idle;
    decline.classList.toggle('quiet', idle);
  }

  // What the page says follows the state. Final states stay: no timer, event or answer replaces them, but an undo does.
  function show(told, late) {
    if (!told?.state || (ended && told.state !== 'undone')) return;
    if (typeof told.expires_in === 'number') end = Date.now() + told.expires_in * 1000;
    claim = told.claim || claim;
    const now = JSON.stringify([told.state, told.contested, told.opened, told.reason, told.device]);
    const fresh = told.state !== state;
    if (!fresh) code.hidden = state !== 'issued' || end <= Date.now();
    if (now === shown) return;
    [shown, state, ended, last] = [now, told.state, FINAL.includes(told.state), told];
    root.dataset.state = state;
    if (fresh) return turn(() => swap(told, late, true));
    swap(told, late, false);
    if (state === 'issued' && told.opened) opened();
  }

  // A hint that decides nothing: a preview may have opened the code, too.
  function opened() {
    if (wait) wait.lastElementChild.textContent = own.opened;
    say(own.opened);
  }

  function swap(told, late, fresh) {
    code.hidden = told.state !== 'issued' || end <= Date.now();
    if (code.hidden) size(false);
    dress();
    const template = byId('is-' + told.state);
    if (!template) return;
    const device = told.device || {};
    const content = template.content.cloneNode(true);
    const fill = (place, id) => place.append(byId(id).content.cloneNode(true));
    for (const place of all('.device', content)) fill(place, 'device');
    for (const place of all('[data-again]', content)) {
      fill(place, 'again');
      place.firstChild.textContent = place.dataset.again;
    }
    const facts = {
      ...told, ended, late, kept: !told.undo, [told.reason]: true,
      address: device.address, unplaced: !device.address, same: device.same_network === true, other: device.same_network === false,
    };
    for (const element of all('[data-if]', content)) if (!facts[element.dataset.if]) element.remove();
    const values = {
      label: device.label && device.label !== 'Unknown device' ? device.label : own.unknown, address: device.address,
      clock: new Intl.DateTimeFormat(root.lang, { timeStyle: 'short' }).format(told.at ??= new Date()),
    };
    for (const element of all('[data-slot]', content)) element.textContent = values[element.dataset.slot];
    detail.replaceChildren(content);
    const [claimed, spent, notMine] = words(device.kind);
    const [contested, finish, phone, approved, digits, call] = claimed ? words('other') : [];
    for (const [place, text] of Object.entries({ 'if=contested': contested, finish, 'if=phone': phone })) {
      reword(detail.querySelector(`[data-${place}]`), text);
    }
    reword(form.querySelector('label'), digits);
    if (!fresh) return say(detail.querySelector('.warning, .problem, [data-if=kept]')?.textContent ?? '', true);
    field?.removeAttribute('aria-invalid');
    if (problem) problem.textContent = '';
    const { urgent, heading: usual, announce: aloud } = template.dataset;
    const title = { claimed, approved, spent }[state] || usual;
    const announce = aloud && (call || aloud);
    heading.textContent = title;
    document.title = title + ' – ' + own.site;
    decline.textContent = notMine || decline.dataset.claimed;
    form.hidden = ended;
    const lines = [...all('p:not(.actions)', detail)].map((line) => line.textContent).join(' ').replace(/\s+/g, ' ').trim();
    say(announce || (lines ? title + '. ' + lines : title), urgent !== undefined);
    if (state === 'claimed' && field) field.focus();
    if (ended) stop(told);
  }

  function stop(told) {
    source?.close();
    [patience, poller, ticker].forEach(clearTimeout);
    for (const element of all('[data-when][hidden]')) element.remove();
    heading.tabIndex = -1;
    heading.focus();
    // The page before the code says the same, and has the button for a new one. Where qrgate is away, this page stays.
    if (told.state === 'expired' && !told.alone) location.replace(own.again.replace('from=code', 'from=expired'));
  }

  function hear(is) {
    if (reached === is) return;
    reached = is;
    if (!ended) dress();
  }

  // Events first. Where none comes within 3 s, or the stream fails twice, the page asks every 2 s instead.
  function listen() {
    if (!window.EventSource) return ask();
    source = new EventSource(own.status);
    patience = setTimeout(fallBack, 3000);
    source.onmessage = (event) => {
      clearTimeout(patience);
      failures = 0;
      hear(true);
      show(JSON.parse(event.data));
    };
    source.onerror = () => { if (++failures > 1 || source.readyState === 2) fallBack(); };
  }

  function fallBack() {
    if (!reached) hear(false);
    source?.close();
    source = null;
    clearTimeout(patience);
    ask();
  }

  async function ask() {
    clearTimeout(poller);
    if (ended) return;
    try {
      const answer = await fetch(own.status, bare);
      if (answer.status === 404) {
        show({ state: 'expired' });
      } else if (answer.ok) {
        failures = 0;
        hear(true);
        show(await answer.json());
      }
    } catch {
      // Asked again below. Until then the form may get through where the script does not.
      if (++failures > 3) hear(false);
    }
    const over = Date.now() - end;
    if (over > (reached ? 120e3 : 0)) show({ state: 'expired', alone: true });
    if (!ended && !source) {
      clearTimeout(poller);
      poller = setTimeout(ask, document.hidden ? 10e3 : 2e3);
    }
  }

  function tick() {
    if (ended) return;
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    for (const element of all('[data-slot=time]')) {
      element.textContent = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
    }
    if (bar) {
      bar.hidden = false;
      bar.firstElementChild.style.width = 100 * Math.min(1, left / own.seconds) + '%';
    }
    for (const mark of [60, 30, 10]) if (before > mark && left <= mark && left > mark - 5 && before < Infinity) say(own.left.replace('{time}', spoken(mark)));
    if (!left && before) {
      code.hidden = true;
      ask();
    }
    before = left;
    ticker = setTimeout(tick, 1000 - ((Date.now() - end) % 1000 + 1000) % 1000 || 1000);
  }

  // The browser's own complaint is in the browser's language and says less.
  form.noValidate = true;
  form.addEventListener('submit', async (event) => {
    const button = event.submitter;
    const undo = button?.getAttribute('formaction');
    if (!undo && button !== decline && field && !/^\s*\p{Nd}{2}\s*$/u.test(field.value)) {
      event.preventDefault();
      return complain(field.title);
    }
    // A login in front: the form itself may get through.
    if (plain || !reached) return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.setAttribute('aria-busy', 'true');
    const body = new URLSearchParams(new FormData(form));
    if (button?.name) body.set(button.name, button.value);
    // The number is for the claim that this page shows, and for no other.
    body.set('claim', claim);
    try {
      const answer = await fetch(undo || form.getAttribute('action'), { method: 'POST', body: String(body), ...bare });
      if (!(undo ? [200] : [200, 400, 403, 409, 429]).includes(answer.status)) throw answer.status;
      const told = await answer.json();
      if (answer.status === 403) show({ state: 'denied' });
      else if (answer.status === 429) complain(own.busy);
      else if (answer.status === 400 && !FINAL.includes(told.state)) complain(field.title);
      else if (answer.status === 409 && told.state === 'issued') complain(own.early);
      else show(told, answer.status === 409);
    } catch (status) {
      if (undo) {
        // The device is still signed in. Another press may help, unless it is too late.
        const undo = ![403, 409].includes(status);
        swap({ ...last, undo, failed: undo });
        (detail.querySelector('button') ?? heading).focus();
      } else {
        plain = true;
        form.requestSubmit(button);
      }
    }
    busy = false;
    form.removeAttribute('aria-busy');
  });
  field?.addEventListener('input', (event) => {
    if (!event.isComposing) field.value = (field.value.match(/\p{Nd}/gu) ?? []).slice(0, 2).join('');
    field.removeAttribute('aria-invalid');
    problem.textContent = '';
  });

  const size = (large) => {
    if (large === body.classList.contains('large')) return;
    body.classList.toggle('large', large);
    enlarge.setAttribute('aria-expanded', large);
    // What lies under the enlarged code takes neither focus nor clicks.
    for (let inner = code; inner !== body; inner = inner.parentElement) {
      for (const other of inner.parentElement.children) if (other !== inner) other.inert = large;
    }
    [enlarge.textContent, enlarge.dataset.other] = [enlarge.dataset.other, enlarge.textContent];
  };
  enlarge.hidden = false;
  enlarge.addEventListener('click', () => size(!body.classList.contains('large')));
  addEventListener('keydown', (event) => { if (event.key === 'Escape') size(false); });

  addEventListener('visibilitychange', () => { if (!document.hidden && !source) ask(); });
  addEventListener('pageshow', (event) => {
    if (!event.persisted || ended) return;
    code.hidden = true;
    source?.close();
    listen();
    ask();
  });
  addEventListener('pagehide', () => { code.hidden = true; source?.close(); });

  dress();
  listen();
  tick();
  setTimeout(() => { if (state === 'issued') say(own.ready.replace('{time}', spoken(Number(own.seconds)))); }, 500);
})();
