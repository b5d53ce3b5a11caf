/**
 * A bucket of S3, or of anything that speaks its protocol: four calls, signed by aws4fetch. Keys come from the environment as
 * AWS's tools have them; AWS_ENDPOINT_URL names another server, with the bucket in the path.
 */
import { AwsClient } from 'aws4fetch';
import { StoreError, UsageError } from '../errors.js';

export const isS3 = (where: string): boolean => where.startsWith('s3://');

/** `s3://bucket/key` in its parts; the key may be empty. @throws UsageError */
export function parseS3(where: string): { bucket: string; key: string } {
  const [, bucket, key = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(where) ?? [];
  if (bucket === undefined) throw new UsageError(`${where}: expected s3://bucket or s3://bucket/prefix`);
  return { bucket, key };
}

/** Milliseconds for one answer to begin. */
const PATIENCE = 60_000;
/** A server that is busy or breaks off is asked again, up to 50 ms, 100 ms, … 6.4 s later. */
const RETRIES = 8;

export class Bucket {
  readonly name: string;
  readonly #root: string;
  readonly #client: AwsClient;

  constructor(name: string, environment: NodeJS.ProcessEnv = process.env) {
    this.name = name;
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment;
    if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
      throw new UsageError(`s3://${name}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be set`);
    }
    const region = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1';
    const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
    this.#root = rootOf(name, region, endpoint);
    this.#client = new AwsClient({
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
      service: 's3',
      region,
      retries: 0, // `#ask` asks again; aws4fetch's own does not for connections that break
    });
  }

  /** Keys that begin so, in the order of their UTF-8 bytes; a page is 1,000. */
  async *list(prefix: string): AsyncGenerator<string> {
    let next: string | undefined;
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix, 'encoding-type': 'url' });
      if (next !== undefined) query.set('continuation-token', next);
      const answer = await this.#ask('GET', `?${query}`);
      if (!answer.ok) throw await this.#refused(answer, prefix);
      const page = await answer.text();
      for (const [, key] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        yield decodeURIComponent(unescapeXml(key).replaceAll('+', ' '));
      }
      next = unescapeXml(/<NextContinuationToken>([^<]*)</.exec(page)?.[1] ?? '') || undefined;
    } while (next !== undefined);
  }

  /** Null where it is not there. */
  async get(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#ask('GET', path(key));
      if (answer.status === 404 && !(await isNoBucket(answer))) return null;
      if (!answer.ok) throw await this.#refused(answer, key);
      try {
        return new Uint8Array(await answer.arrayBuffer());
      } catch (error) {
        if (tries === RETRIES) throw new StoreError(`s3://${this.name}/${key}: ${String(error)}`, { cause: error });
      }
    }
  }

  /** @param onlyNew write nothing where the key is there, and give false */
  async put(key: string, bytes: Uint8Array, onlyNew = false): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#ask('PUT', path(key), bytes, onlyNew ? { 'if-none-match': '*' } : {});
      if (answer.ok) return true;
      if (onlyNew && answer.status === 412) return false;
      // Another write of the same key is under way: how it ends is not known yet.
      if (answer.status !== 409 || tries === RETRIES) throw await this.#refused(answer, key);
      await pause(tries);
    }
  }

  async delete(key: string): Promise<void> {
    const answer = await this.#ask('DELETE', path(key));
    if (!answer.ok && answer.status !== 404) throw await this.#refused(answer, key);
  }

  async #ask(method: string, rest: string, body?: Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        const answer = await this.#client.fetch(`${this.#root}${rest}`, {
          method,
          headers,
          ...(body !== undefined && { body: body as Uint8Array<ArrayBuffer> }),
          signal: AbortSignal.timeout(PATIENCE),
        });
        if ((answer.status < 500 && answer.status !== 429) || tries === RETRIES) return answer;
        await answer.body?.cancel();
      } catch (error) {
        const cause = (error as Error).cause ?? error;
        if (tries === RETRIES) throw new StoreError(`s3://${this.name}: ${String(cause)}`, { cause: error });
      }
      await pause(tries);
    }
  }

  async #refused(answer: Response, key: string): Promise<Error> {
    const text = await answer.text().catch(() => '');
    const what = [/<Code>([^<]*)</.exec(text)?.[1], /<Message>([^<]*)</.exec(text)?.[1]].filter(Boolean).join(': ');
    return new StoreError(`s3://${this.name}/${key}: ${answer.status} ${unescapeXml(what) || answer.statusText}`);
  }
}

const pause = (tries: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** (tries - 1)));

/** Behind AWS's own host the bucket is a part of the name, unless it has dots, which no certificate covers. */
function rootOf(bucket: string, region: string, endpoint: string | undefined): string {
  if (endpoint !== undefined) {
    if (!URL.canParse(endpoint)) throw new UsageError(`AWS_ENDPOINT_URL: expected a URL, got ${endpoint}`);
    return `${endpoint.replace(/\/+$/, '')}/${bucket}`;
  }
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes('.') ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}

/** Also of characters that `encodeURIComponent` leaves and a signature must not have. */
const path = (key: string): string =>
  `/${key
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/')}`;

const isNoBucket = async (answer: Response): Promise<boolean> =>
  (await answer.clone().text()).includes('<Code>NoSuchBucket<');

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? all;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
