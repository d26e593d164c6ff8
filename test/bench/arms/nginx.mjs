import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Child, until } from '../child-process.mjs';
import { descendantsOf } from '../process-usage.mjs';
import { temporaryFolder } from '../temporary-folder.mjs';

const START_MS = 10_000;

const configuration = (folder, port, upstreamPort) => `
  daemon off;
  worker_processes 1;
  pid ${folder}/nginx.pid;
  error_log stderr error;
  events { worker_connections 4096; }
  http {
    access_log off;
    keepalive_requests 100000000;
    client_body_buffer_size 256k;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 100000000; }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://mock;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffering off;
      }
    }
  }
`;

/** nginx as a reverse proxy, one worker: tells whether the control is what it should be. Undefined if not installed. */
export const nginx = async (rig) => {
  if (spawnSync('nginx', ['-v']).status !== 0) return undefined;
  const folder = temporaryFolder('tunan-nginx-');
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, port, rig.port));
  const child = new Child('nginx', ['-p', folder, '-c', file], { core: 'measured' });
  const workers = () => descendantsOf([child.pid]);
  await until(() => workers().length > 0 || child.process.exitCode !== null, START_MS, 'nginx');
  if (child.process.exitCode !== null) throw new Error(`nginx did not start: ${child.output}`);
  return {
    name: 'nginx',
    passesThrough: true,
    port,
    apiKey: 'sk-nginx',
    pids: workers(),
    settled: async () => undefined,
    stop: () => child.stop(),
  };
};

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
