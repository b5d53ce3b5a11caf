/** Starts the service worker and asks it about a picture, as any page of the site could. */
await navigator.serviceWorker.register('service-worker.js');
await navigator.serviceWorker.ready;
if (navigator.serviceWorker.controller === null) {
  await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
}
const picture = await fetch('husky.png');
const answer = await fetch('classify', { method: 'POST', body: await picture.blob() });
const [best] = await answer.json();
document.querySelector('output').textContent = `${best.label} ${best.score.toFixed(3)}`;
