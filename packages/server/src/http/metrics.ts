/** What Prometheus reads. */
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { WorkerPool } from '../workers/pool.js';

/** From a probe's answer to a batch of 64 that waited. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Measures {
  registry: Registry;
  /** Counts a request that was answered. A route is its pattern, so that nobody can make up new ones. */
  count(route: string, code: number | string, milliseconds: number): void;
}

/** Counts the requests of an app; others count theirs themselves. */
export function measure(app: FastifyInstance, pool: WorkerPool): Measures {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'mobilenet_requests_total',
    help: 'Requests that were answered, by route and status',
    labelNames: ['route', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'mobilenet_request_duration_seconds',
    help: 'From the head of a request to the end of its answer',
    labelNames: ['route'],
    buckets: SECONDS,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect: function () {
        this.set(read());
      },
    });
  gauge('mobilenet_queue_size', 'Jobs that wait for a worker', () => pool.counts.waiting);
  gauge('mobilenet_running_jobs', 'Jobs that workers do', () => pool.counts.running);
  gauge('mobilenet_workers', 'Workers', () => pool.workers);
  new Counter({
    name: 'mobilenet_worker_crashes_total',
    help: 'Workers that died and were started anew',
    registers,
    collect() {
      this.reset();
      this.inc(pool.counts.crashes);
    },
  });
  const count: Measures['count'] = (route, code, milliseconds) => {
    requests.inc({ route, code });
    duration.observe({ route }, milliseconds / 1000);
  };
  app.addHook('onResponse', async (request, reply) => {
    count(request.is404 ? 'none' : (request.routeOptions.url ?? 'none'), reply.statusCode, reply.elapsedTime);
  });
  return { registry, count };
}
