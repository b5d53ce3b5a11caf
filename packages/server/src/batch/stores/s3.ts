/** Results in a bucket, under a prefix. `create` is a conditional write, so of two workers with one shard one wins. */
import type { Bucket } from './bucket.js';
import type { Store } from './store.js';

export class S3Store implements Store {
  readonly where: string;
  readonly #bucket: Bucket;
  readonly #prefix: string;

  constructor(bucket: Bucket, prefix: string) {
    const trimmed = prefix.replace(/\/+$/, '');
    this.#bucket = bucket;
    this.#prefix = trimmed === '' ? '' : `${trimmed}/`;
    this.where = `s3://${bucket.name}/${trimmed}`;
  }

  nameOf(name: string): string {
    return `s3://${this.#bucket.name}/${this.#prefix}${name}`;
  }

  async list(prefix: string): Promise<string[]> {
    const names: string[] = [];
    for await (const key of this.#bucket.list(this.#prefix + prefix)) names.push(key.slice(this.#prefix.length));
    return names;
  }

  read(name: string): Promise<Uint8Array | null> {
    return this.#bucket.get(this.#prefix + name);
  }

  create(name: string, bytes: Uint8Array): Promise<boolean> {
    return this.#bucket.put(this.#prefix + name, bytes, true);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#bucket.put(this.#prefix + name, bytes);
  }

  async remove(name: string): Promise<void> {
    await this.#bucket.delete(this.#prefix + name);
  }
}
