(() => {
  // “Try again” works once trying makes sense.
  const action = document.getElementById('action');
  const href = action.getAttribute('href');
  action.removeAttribute('href');
  action.setAttribute('role', 'link');
  action.setAttribute('aria-disabled', 'true');
  setTimeout(() => {
    action.setAttribute('href', href);
    for (const name of ['role', 'aria-disabled']) action.removeAttribute(name);
  }, document.currentScript.dataset.wait * 1000);
})();
