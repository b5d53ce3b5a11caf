/** `mobilenet-v2-server`: from flags to options. */
import closeWithGrace from 'close-with-grace';
import { Command, InvalidArgumentError, Option } from 'commander';
import { ServeError } from '../errors.js';
import { type ServeOptions, serve } from '../serve.js';
import { VERSION } from '../version.js';
import { DEFAULT_MODEL, type ModelSpec, parseModel } from '../workers/models.js';
import { whole } from './flags.js';

const MEBIBYTE = 1024 * 1024;
const mebibytes = (text: string): number => whole(1, 4096)(text) * MEBIBYTE;
const seconds = (text: string): number => {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= 86_400) return value * 1000;
  throw new InvalidArgumentError('Expected seconds, such as 10 or 0.5.');
};
const model = (text: string, others: ModelSpec[] | undefined): ModelSpec[] => {
  try {
    return [...(others ?? []), parseModel(text)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
};
const hosts = (text: string, others: string[] | undefined): string[] => [...(others ?? []), text];

/** A flag whose default is in its own unit, as the help shows it. */
const preset = (flags: string, what: string, parse: (text: string) => number, value: string): Option =>
  new Option(flags, what).argParser(parse).default(parse(value), value);

const program = new Command('mobilenet-v2-server')
  .description(
    'MobileNetV2 behind HTTP and gRPC: Open Inference Protocol, KServe v1, TensorFlow Serving, Hugging Face, forms.',
  )
  .version(VERSION)
  .option(
    '--model <name=where>',
    'a model to serve, by a folder or its name on the hub; may be followed by ,task=classify, ,task=segment or ,task=features; several times for several models (default: the checkpoint that ships)',
    model,
  )
  .addOption(preset('--port <number>', 'port to listen on', whole(0, 65_535), '8080').env('AIP_HTTP_PORT'))
  .option('--grpc-port <number>', 'port for gRPC, which needs packages of its own (default: no gRPC)', whole(0, 65_535))
  .option('--host <address>', 'address to listen on; 0.0.0.0 is for other machines too', '127.0.0.1')
  .option('--allow-host <name>', 'a host that requests may name; several times for several', hosts)
  .addOption(
    new Option('--token <text>', 'what requests must carry as Authorization: Bearer').env('MOBILENET_V2_TOKEN'),
  )
  .option('--workers <number>', 'threads that compute (default: one for every CPU)', whole(1, 1024))
  .addOption(preset('--queue <number>', 'how many requests may wait for a worker', whole(0, 1_000_000), '64'))
  .addOption(preset('--deadline <seconds>', 'how long a request may wait for a worker', seconds, '10'))
  .addOption(preset('--max-body <MiB>', 'largest body, also of what it unpacks to', mebibytes, '64'))
  .addOption(preset('--max-memory <MiB>', 'largest sum of all bodies at a time', mebibytes, '1024'))
  .addOption(preset('--max-pixels <number>', 'largest picture, width times height', whole(1, 1e9), '25000000'))
  .addOption(preset('--request-timeout <seconds>', 'how long a client may take to send a request', seconds, '60'))
  .addOption(preset('--shutdown-delay <seconds>', 'how long to say "not ready" before the end', seconds, '0'))
  .addOption(preset('--grace <seconds>', 'how long the end may take at most', seconds, '60'))
  .addOption(
    new Option('--log-level <level>', 'least of what is logged')
      .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
      .default('info'),
  );

interface Flags {
  model?: ModelSpec[];
  port: number;
  grpcPort?: number;
  host: string;
  allowHost?: string[];
  token?: string;
  workers?: number;
  queue: number;
  deadline: number;
  maxBody: number;
  maxMemory: number;
  maxPixels: number;
  requestTimeout: number;
  shutdownDelay: number;
  grace: number;
  logLevel: string;
}

/** Vertex AI says by environment variables which paths it asks. */
function aliasesOf({ AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE }: NodeJS.ProcessEnv, model: string): Record<string, string> {
  return {
    ...(AIP_HEALTH_ROUTE && { [AIP_HEALTH_ROUTE]: '/health' }),
    ...(AIP_PREDICT_ROUTE && { [AIP_PREDICT_ROUTE]: `/v1/models/${model}:predict` }),
  };
}

function optionsOf(flags: Flags): ServeOptions {
  const { model, allowHost, token, workers, maxBody, maxMemory, maxPixels, logLevel, ...same } = flags;
  return {
    ...same,
    models: model ?? [DEFAULT_MODEL],
    ...(allowHost && { allowHosts: allowHost }),
    ...(token && { token }),
    ...(workers !== undefined && { workers }),
    bodyLimit: maxBody,
    memory: maxMemory,
    pixels: maxPixels,
    logger: { level: logLevel },
    aliases: aliasesOf(process.env, (model ?? [DEFAULT_MODEL])[0].name),
  };
}

const flags = program.parse().opts<Flags>();
try {
  const server = await serve(optionsOf(flags));
  closeWithGrace({ delay: flags.grace, logger: false }, async ({ signal, err }) => {
    if (err) server.app.log.fatal({ err }, 'ends by an error');
    else server.app.log.info(`${signal ?? 'end'}: answering what was accepted`);
    await server.close();
  });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  // What the user can mend is said in a line; anything else is a fault, with its stack.
  console.error(error instanceof ServeError || code?.startsWith('E') ? message : error);
  process.exit(1);
}
