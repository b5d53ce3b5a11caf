/** Elements by their id, with their type checked once, at the start. */
export function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** A new element with a class and text. A button sends no form. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { className = '', text = '' } = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  if (made instanceof HTMLButtonElement) made.type = 'button';
  if (text !== '') made.append(text);
  made.append(...children);
  return made;
}

/** A button that opens the browser's choice of files. The same file can be chosen twice. */
export function listenToFiles(
  button: HTMLButtonElement,
  input: HTMLInputElement,
  chosen: (files: File[]) => void,
): void {
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = '';
    chosen(files);
  });
}

/** A canvas with one square of a row of squares. */
export function squareOf(row: ImageBitmap, n: number): HTMLCanvasElement {
  const canvas = make('canvas');
  const edge = row.height;
  canvas.width = canvas.height = edge;
  canvas.getContext('2d')!.drawImage(row, n * edge, 0, edge, edge, 0, 0, edge, edge);
  return canvas;
}

/** Shows a bitmap in a canvas of its size. */
export function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('bitmaprenderer')!.transferFromImageBitmap(bitmap);
}
