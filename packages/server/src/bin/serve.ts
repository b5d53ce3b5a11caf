#!/usr/bin/env node
/** `mobilenet-v2-server`: from flags to options. */
import { Command } from 'commander';
import { buildApp } from '../http/app.js';
import { parseModel } from '../workers/models.js';
import { WorkerPool } from '../workers/pool.js';

const program = new Command('mobilenet-v2-server')
  .description('MobileNetV2 behind HTTP')
  .option('--model <name=where...>', 'a model: name=folder or name=hub/name, maybe with ,task=segment')
  .option('--port <number>', 'port', '8080')
  .option('--host <name>', 'address to listen on', '127.0.0.1');

const flags = program.parse().opts<{ model?: string[]; port: string; host: string }>();
const pool = await WorkerPool.start(flags.model === undefined ? {} : { models: flags.model.map(parseModel) });
const app = await buildApp({ pool, logger: true });
await app.listen({ port: Number(flags.port), host: flags.host });
