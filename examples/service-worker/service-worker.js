/**
 * Answers POST requests to `classify` by itself, offline too: bundled into one file, for a service worker may not import
 * anything later.
 */
import { pipeline } from 'mobilenet-v2';

addEventListener('install', (event) => event.waitUntil(skipWaiting()));
addEventListener('activate', (event) => event.waitUntil(clients.claim()));

let loading;
async function classify(request) {
  loading ??= pipeline('image-classification', 'model/');
  const classifier = await loading;
  return Response.json(await classifier(await request.blob(), { top_k: 3 }));
}

addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === 'POST' && pathname.endsWith('/classify')) event.respondWith(classify(event.request));
});
