/**
 * What a value is, whichever realm made it. `instanceof` knows one realm's classes alone, and says no to the typed arrays
 * and Blobs of an iframe, of node:vm, of jsdom and of happy-dom, which are as good as ours.
 */

/** The name of a built-in or DOM class, as `Object.prototype.toString` has it; its symbol is inherited in every realm. */
export function brandOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;
type TypedArrayClass<T extends TypedArray> = {
  readonly name: string;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
};

/**
 * The same memory as a typed array of this realm; undefined for a value that is not an array of that class. An array of this
 * realm comes back as it is; a subclass of it, such as Node's Buffer, too.
 */
export function asTyped<T extends TypedArray>(value: unknown, ArrayType: TypedArrayClass<T>): T | undefined {
  if (value instanceof ArrayType) return value;
  if (!ArrayBuffer.isView(value) || brandOf(value) !== ArrayType.name) return undefined;
  const { buffer, byteOffset, length } = value as T;
  return new ArrayType(buffer, byteOffset, length);
}

/** The same values in memory of their own. (Of a Buffer, which has a `slice` of its own, that would share them.) */
export function copyOf<T extends TypedArray>(array: T): T {
  if (array.length === 0) return array; // nothing to copy, or detached, which `slice` would throw for
  return Uint8Array.prototype.slice.call(array) as TypedArray as T;
}

/** The bytes of an ArrayBuffer or of any view into one, shared and not copied; undefined for anything else. */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return isDetached(value.buffer) ? new Uint8Array(0) : value; // of what is gone nothing is left
  if (ArrayBuffer.isView(value) && isDetached(value.buffer)) return new Uint8Array(0);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (!isArrayBuffer(value)) return undefined;
  return isDetached(value) ? new Uint8Array(0) : new Uint8Array(value);
}

function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return brandOf(value) === 'ArrayBuffer';
}

/** Memory that was transferred. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    return new Uint8Array(buffer).length > 0; // never; of what is detached nothing can be made
  } catch {
    return true;
  }
}

/** Memory that another thread may change. */
export function isShared(buffer: ArrayBufferLike): boolean {
  return brandOf(buffer) === 'SharedArrayBuffer';
}

/** A Blob, or a File with a name. */
export function isBlob(value: unknown): value is Blob & { name?: string } {
  const brand = brandOf(value);
  return (brand === 'Blob' || brand === 'File') && typeof (value as Blob).size === 'number';
}

export function isUrl(value: unknown): value is URL {
  return brandOf(value) === 'URL' && typeof (value as URL).href === 'string';
}

export function isMap(value: unknown): value is ReadonlyMap<unknown, unknown> {
  return brandOf(value) === 'Map' && Symbol.iterator in (value as object);
}
