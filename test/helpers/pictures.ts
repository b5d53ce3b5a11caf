/** What the codec tests share. Importing it makes Node the platform, as importing the package does. */
import { expect } from 'vitest';
import { env } from '../../src/base/env.js';
import { type ErrorCode, MobileNetError } from '../../src/base/errors.js';
import { decodeImage } from '../../src/images/decode.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';

env.platform = nodePlatform;

/** The error a call ends with: typed, short and naming the file, or the test fails. */
export async function expectRefusal(
  call: () => unknown,
  code: ErrorCode,
  message?: string | RegExp,
): Promise<MobileNetError> {
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => 'no error',
      (thrown: unknown) => thrown,
    );
  if (!(error instanceof MobileNetError)) throw new Error(`expected ${code}, got ${error}`, { cause: error });
  expect(error.code, error.message).toBe(code);
  expect(error.message.length).toBeLessThan(500);
  if (message !== undefined) expect(error.message).toMatch(message);
  return error;
}

/** Expects a file to be refused, with its name in message and error. */
export async function expectRefused(bytes: Uint8Array, code: ErrorCode, message?: string | RegExp): Promise<void> {
  const error = await expectRefusal(() => decodeImage(bytes, { file: 'bad.file' }), code, message);
  expect(error.file).toBe('bad.file');
  expect(error.message).toContain('bad.file');
}

/** The pixels of a file as plain numbers. */
export async function pixelsOf(
  bytes: Uint8Array,
): Promise<{ width: number; height: number; channels: number; data: number[] }> {
  const { data, ...rest } = await decodeImage(bytes, { file: 'good.file' });
  return { ...rest, data: Array.from(data) };
}

/** Runs with other limits, then puts the old ones back. */
export async function withLimits<T>(limits: Partial<typeof env.limits>, run: () => Promise<T>): Promise<T> {
  const before = { ...env.limits };
  Object.assign(env.limits, limits);
  try {
    return await run();
  } finally {
    Object.assign(env.limits, before);
  }
}
