/** Preloaded by supply-chain.test.ts into every thread: whoever opens a socket, looks up a name or starts a program ends the process. */
import childProcess from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';

const forbid = (owner, names) => {
  for (const name of names) {
    owner[name] = () => {
      process._rawDebug(`FORBIDDEN: ${name}`);
      process.reallyExit(99);
    };
  }
};

forbid(net.Socket.prototype, ['connect']);
forbid(net.Server.prototype, ['listen']);
forbid(net, ['connect', 'createConnection', 'createServer']);
forbid(tls, ['connect', 'createServer']);
forbid(dgram, ['createSocket']);
forbid(dns, ['lookup', 'resolve', 'resolve4', 'resolve6', 'reverse']);
forbid(dns.promises, ['lookup', 'resolve', 'resolve4', 'resolve6', 'reverse']);
forbid(http, ['request', 'get']);
forbid(https, ['request', 'get']);
forbid(http2, ['connect']);
forbid(childProcess, ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']);
forbid(globalThis, ['fetch', 'WebSocket', 'EventSource']);
syncBuiltinESMExports();
