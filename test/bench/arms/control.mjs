import { fileURLToPath } from 'node:url';
import { Child } from '../child-process.mjs';

const PROXY = fileURLToPath(new URL('../control-proxy.mjs', import.meta.url));

/** C0: the least that a reverse proxy in Node can be, with the flags of the gateway's process. */
export const control = async (rig, nodeFlags) => {
  const child = new Child(process.execPath, [...nodeFlags, PROXY, String(rig.port)], { core: 'measured' });
  return {
    name: 'control',
    passesThrough: true,
    port: await child.port(),
    apiKey: 'sk-control',
    pids: [child.pid],
    settled: async () => undefined,
    stop: () => child.stop(),
  };
};
