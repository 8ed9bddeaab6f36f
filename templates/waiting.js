(() => {
  'use strict';
  // Runs only after the person pressed Continue: waits for the computer's yes, then presses Finish.
  const own = document.currentScript.dataset;
  const form = document.getElementById('phone');
  const { state } = own;
  const here = location.href.split('#')[0];
  const end = Date.now() + own.seconds * 1000;
  let leaving = false, before = Infinity, timer;

  // The screen stays on while its number is read, where the browser lets it (Safari only after a touch).
  const stayAwake = () => navigator.wakeLock?.request('screen').catch(() => {});

  function finish() {
    if (leaving) return;
    leaving = true;
    const action = Object.assign(document.createElement('input'), { type: 'hidden', name: 'action', value: 'finish' });
    form.append(action);
    form.submit();
    for (const button of form.querySelectorAll('button')) button.disabled = true;
  }

  async function look() {
    clearTimeout(timer);
    try {
      const answer = await fetch(here, { cache: 'no-store' });
      // On <html>; in a layout of the operator's on our script, which an end does not have.
      const [, now] = /\bdata-state="(\w+)"/.exec(await answer.text()) ?? [];
      if (!leaving && [200, 410].includes(answer.status) && now !== state) {
        leaving = true;
        if (now === 'approved' && navigator.userActivation?.hasBeenActive) navigator.vibrate?.(30);
        return location.replace(here);
      }
    } catch {
      // Looked again in a second.
    }
    clearTimeout(timer);
    if (!leaving) timer = setTimeout(look, 1000);
  }

  function tick() {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    for (const element of document.querySelectorAll('[data-slot=time]')) {
      element.textContent = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
    }
    for (const mark of [60, 30, 10]) {
      if (before < Infinity && before > mark && left <= mark) {
        const unit = mark === 60 ? 'minute' : 'second';
        const format = new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'long' });
        document.getElementById('says').textContent = own.left.replace('{time}', format.format(mark === 60 ? 1 : mark));
      }
    }
    before = left;
  }

  form.addEventListener('submit', () => { leaving = true; });
  addEventListener('pageshow', (event) => { if (event.persisted) location.replace(here); });
  if (state === 'claimed') {
    timer = setTimeout(look, 1000);
    addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      look();
      stayAwake();
    });
    addEventListener('pointerdown', stayAwake, { once: true });
    stayAwake();
    const keep = document.getElementById('keep');
    if (keep) keep.textContent = keep.dataset.script;
    setInterval(tick, 1000);
    tick();
  } else if (state === 'approved') {
    // Back must not press the button again.
    if (performance.getEntriesByType('navigation')[0]?.type !== 'back_forward') finish();
  } else {
    setTimeout(finish, 1000);
  }
})();
