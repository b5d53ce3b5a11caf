import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Asked {
  host: 'hub' | 'second';
  method: string;
  path: string;
  authorization?: string;
  range?: string;
  /** How many requests for the same came before. */
  earlier: number;
}

export type Files = Record<string, Uint8Array>;

export interface Hub {
  repos: Record<string, Files>;
  revisions: Record<string, { commit: string; files?: Files }>;
  discussions: unknown[];
  secret: string | undefined;
  fault: ((asked: Asked, request: IncomingMessage, response: ServerResponse) => unknown) | undefined;
  rate: number | undefined;
  requests: Asked[];
  readonly endpoint: string;
  readonly second: string;
  close(): Promise<void>;
}

export const COMMIT: string;
export function dogsFiles(): Files;
export function startHub(options?: { repos?: Record<string, Files> }): Promise<Hub>;
