import { readdirSync, readFileSync } from 'node:fs';

/** CPU time, and time ready to run without a core, of all threads of these processes, in microseconds. */
export const cpuOf = (pids) => {
  const sum = { cpu: 0, wait: 0 };
  for (const pid of pids)
    for (const task of entries(`/proc/${pid}/task`)) {
      const [cpu = 0, wait = 0] = read(`/proc/${pid}/task/${task}/schedstat`).split(' ').map(Number);
      sum.cpu += cpu / 1_000;
      sum.wait += wait / 1_000;
    }
  return sum;
};

/** Ticks of the whole machine since its start, and those of them that a hypervisor gave to others. */
export const stealOf = () => {
  const ticks = /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1].split(' ').slice(0, 8).map(Number) ?? [];
  return { all: ticks.reduce((sum, one) => sum + one, 0), steal: ticks[7] ?? 0 };
};

/** Resident memory of a process, in kilobytes. */
export const rssOf = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);

/** All processes below these, however deep. */
export const descendantsOf = (pids) => {
  const found = [];
  for (const pid of pids) {
    const children = entries(`/proc/${pid}/task`).flatMap((task) =>
      read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
    );
    found.push(...children, ...descendantsOf(children));
  }
  return found;
};

/** Threads and processes end while they are read. */
const read = (file) => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
};

const entries = (folder) => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
