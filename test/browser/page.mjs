/**
 * The script of page.html. It works by itself, so that what it meets is the page's own policy and not that of a debugger,
 * which may do more. The address says what to do: ?module=…&device=…&threads=…; the outcome is JSON in <output>.
 */
const query = new URLSearchParams(location.search);
const pictures = ['husky.png', 'dog.jpg'];

const allowed = (action) => {
  try {
    action();
    return true;
  } catch {
    return false;
  }
};

let workers = 0;
globalThis.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    workers++;
  }
};

async function work() {
  const { pipeline } = await import(query.get('module'));
  const classify = await pipeline('image-classification', '/weights/mobilenet_v2_1.0_224', {
    device: query.get('device'),
    threads: Number(query.get('threads')),
  });
  const scores = {};
  for (const picture of pictures) {
    // Other threads start with the second call; give them time to be there for the last.
    for (let call = 0; call < 3; call++) {
      scores[picture] = await classify(`/examples/${picture}`, { top_k: null });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    show(picture, scores[picture].slice(0, 5));
  }
  const { engine } = classify.model.plan([1, 3, 224, 224]);
  classify.dispose();
  return { engine, scores, workers };
}

function show(picture, labels) {
  const image = document.createElement('img');
  image.src = `/examples/${picture}`;
  image.height = 200;
  const list = document.createElement('ol');
  for (const { label, score } of labels) {
    const item = document.createElement('li');
    item.textContent = `${label} ${(100 * score).toFixed(1)} %`;
    list.append(item);
  }
  document.querySelector('main').append(image, list);
}

const place = {
  isolated: crossOriginIsolated,
  evalAllowed: allowed(() => new Function('return 1')),
  wasmAllowed: allowed(() => new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))),
};
const outcome = await work().catch((error) => ({ error: String(error) }));
document.querySelector('output').textContent = JSON.stringify({ ...place, ...outcome });
