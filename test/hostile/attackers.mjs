// Clients that mean harm, in a process of their own: node attackers.mjs PORT KIND COUNT KEY. Runs until it is ended, and
// prints a line whenever COUNT more connections have been made.
import { connect } from 'node:net';
import { generateApiKey } from '@tunan/kernel';

const [port, kind, countText, key] = process.argv.slice(2);
const count = Number(countText);

const BODY_BYTES = 20 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, ' ');
const TRICKLE_MS = 500;
const RETURN_MS_MAX = 2_000;
const UNKNOWN_KEY = generateApiKey();

const head = (bearer, length) =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${bearer}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

/** Sends the largest body that there is, as fast as it is taken, with a key of the right form that nobody has. */
const upload = (socket, bearer) => {
  let left = BODY_BYTES;
  const pump = () => {
    while (left > 0 && socket.writable) {
      left -= PIECE.length;
      if (!socket.write(PIECE)) return;
    }
  };
  socket.on('drain', pump);
  socket.resume();
  socket.write(head(bearer, BODY_BYTES));
  pump();
};

const STREAM = JSON.stringify({
  model: 'minimax-m3',
  messages: [{ role: 'user', content: 'Hi' }],
  max_tokens: 500_000,
  stream: true,
});

const KINDS = {
  /** Opens a stream, and reads not even its head. */
  'never-read': (socket) => socket.write(head(key, STREAM.length) + STREAM),
  /** Announces a body and sends a byte of it now and then. */
  'slow-upload': (socket) => {
    socket.resume();
    socket.write(head(key, 1_000_000));
    const trickle = setInterval(() => socket.write(' '), TRICKLE_MS);
    socket.once('close', () => clearInterval(trickle));
  },
  'unknown-key': (socket) => upload(socket, UNKNOWN_KEY),
  'unknown-keys': (socket) => upload(socket, generateApiKey()),
};

let connected = 0;
const attack = () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.pause();
  socket.on('error', () => undefined);
  socket.once('connect', () => {
    KINDS[kind](socket);
    connected += 1;
    if (connected % count === 0) process.stdout.write(`${connected} connections\n`);
  });
  // Whoever is thrown out comes back, but for those whose going is waited for.
  if (kind !== 'never-read') socket.once('close', () => setTimeout(attack, Math.random() * RETURN_MS_MAX));
};
for (let index = 0; index < count; index += 1) attack();
// Sockets that nobody reads keep no process alive.
setInterval(() => undefined, RETURN_MS_MAX);
