// Loaded into a process before anything else: notes in WITNESS_FILE every name that it resolves and every address that
// it connects to. Names below example.com are this machine, so that whoever connects to them is heard by a listener.
import dns from 'node:dns';
import { appendFileSync } from 'node:fs';
import net from 'node:net';

const note = (what, where) => appendFileSync(process.env.WITNESS_FILE, `${what} ${where}\n`);

const { lookup } = dns;
dns.lookup = (name, ...rest) => {
  note('resolves', name);
  return lookup(/\.example\.com$/.test(name) ? '127.0.0.1' : name, ...rest);
};

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function witnessed(...args) {
  const [target] = Array.isArray(args[0]) ? args[0] : args;
  note('connects', target?.path ?? `${target?.host ?? 'localhost'}:${target?.port ?? target}`);
  return connect.apply(this, args);
};
