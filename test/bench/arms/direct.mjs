/** The mock itself, with nothing between: the ceiling of the rig and the floor of every latency. */
export const direct = (rig) => ({
  name: 'direct',
  passesThrough: true,
  port: rig.port,
  apiKey: 'sk-direct',
  pids: [],
  settled: async () => undefined,
  stop: async () => undefined,
});
