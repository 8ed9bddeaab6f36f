(() => {
  // On a phone the address can go to the computer. It holds no secret.
  const { url } = document.currentScript.dataset;
  const share = document.getElementById('share');
  if (!navigator.share || !matchMedia('(pointer: coarse)').matches) return;
  share.hidden = false;
  share.addEventListener('click', () => navigator.share({ url }).catch(() => {}));
})();
