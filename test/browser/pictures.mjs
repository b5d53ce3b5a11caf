/** The script of a page that reads pictures in many ways and sends back what came of each. See pictures.test.ts. */
const { env, RawImage } = await import('/bundle.js');
const outcomes = {};

async function report(name, read) {
  const warnings = [];
  env.onWarning = (message) => warnings.push(message);
  const outcome = await read().then(
    (image) => ({ size: image.size, rgb: Array.from(image.rgb().data) }),
    ({ code, message }) => ({ code, message }),
  );
  outcomes[name] = { ...outcome, warnings };
}

const file = async (name) => (await fetch(name)).arrayBuffer();
const canvas = (width, height) => Object.assign(document.createElement('canvas'), { width, height });

await report('alpha.png', () => RawImage.read('/alpha.png'));
await report('alpha.png, a Response', async () => RawImage.read(await fetch('/alpha.png')));
await report('alpha.png, an image element', async () =>
  RawImage.read(Object.assign(new Image(), { src: '/alpha.png' })),
);
await report('dog.jpg', () => RawImage.read('/dog.jpg'));
await report('alpha.webp', () => RawImage.read('/alpha.webp'));
await report('colors.gif', async () => RawImage.read(await file('/colors.gif')));
const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="1"><rect width="1" height="1" fill="red"/></svg>';
await report('svg', () => RawImage.read(new Blob([svg], { type: 'image/svg+xml' })));
await report('half a webp', async () => RawImage.read((await file('/alpha.webp')).slice(0, 60)));

await report('a canvas of 0×0', () => RawImage.read(canvas(0, 0)));
const transferred = canvas(2, 2);
transferred.transferControlToOffscreen();
await report('a transferred canvas', () => RawImage.read(transferred));
const detached = new OffscreenCanvas(2, 2);
new MessageChannel().port1.postMessage(detached, [detached]);
await report('a detached OffscreenCanvas', () => RawImage.read(detached));
await report('a video without data', () => RawImage.read(document.createElement('video')));
await report('an image element without a file', () => RawImage.read(new Image()));
const bitmap = await createImageBitmap(new ImageData(2, 2));
bitmap.close();
await report('a closed ImageBitmap', () => RawImage.read(bitmap));
const drawn = canvas(2, 2);
drawn.getContext('2d').fillRect(0, 0, 2, 2);
await report('a canvas', () => RawImage.read(drawn));

const other = document.querySelector('iframe').contentWindow;
await report('bytes of an iframe', async () => RawImage.read(new other.Uint8Array(await file('/alpha.png'))));
await report('a Blob of an iframe', async () => RawImage.read(new other.Blob([await file('/alpha.png')])));
await report('a File of an iframe', async () => RawImage.read(new other.File([await file('/alpha.png')], 'a.png')));
await report('a URL of an iframe', () => RawImage.read(new other.URL('/alpha.png', location.href)));
await report('an ImageData of an iframe', () => RawImage.read(new other.ImageData(2, 2)));
await report('an image element of an iframe', async () =>
  RawImage.read(Object.assign(new other.Image(), { src: '/alpha.png' })),
);

const saved = await new RawImage(Uint8Array.of(9, 8, 7, 0), 1, 1, 4).toBlob();
await report('colors under transparency, saved', () => RawImage.read(saved));

await fetch('/outcomes', { method: 'POST', body: JSON.stringify(outcomes) });
