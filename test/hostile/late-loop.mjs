// For hosts under test, which load it before themselves (`NODE_OPTIONS=--import=…`): from one SIGUSR2 to the next their
// event loop is late all the time.
import { isMainThread } from 'node:worker_threads';

const BLOCK_MS = 400;
const PAUSE_MS = 20;

let timer;
const block = () => {
  for (const endMs = performance.now() + BLOCK_MS; performance.now() < endMs;);
};

if (isMainThread)
  process.on('SIGUSR2', () => {
    if (timer === undefined) timer = setInterval(block, PAUSE_MS);
    else timer = clearInterval(timer);
  });
