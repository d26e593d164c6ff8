import type { CatalogChannel } from '@tunan/contracts';

/**
 * The order in which channels are tried: higher priority first; within a priority a weighted lottery, so that load is
 * shared by weight and health.
 * @param channels highest priority first
 * @param healthOf 0 leaves a channel out; up to 1 it scales the channel's weight
 * @param random numbers in [0, 1)
 */
export const planChannels = (
  channels: readonly CatalogChannel[],
  healthOf: (channel: CatalogChannel) => number,
  random: () => number,
): readonly CatalogChannel[] => {
  const usable: CatalogChannel[] = [];
  let contested = false;
  for (const channel of channels) {
    if (healthOf(channel) <= 0) continue;
    contested ||= usable.at(-1)?.priority === channel.priority;
    usable.push(channel);
  }
  return contested ? drawOrder(usable, healthOf, random) : usable;
};

/** Exponential waiting times with rate `weight`: the first to arrive wins with probability weight / Σ weights. */
const drawOrder = (
  channels: readonly CatalogChannel[],
  healthOf: (channel: CatalogChannel) => number,
  random: () => number,
): readonly CatalogChannel[] =>
  channels
    .map((channel) => ({ channel, arrival: -Math.log(1 - random()) / (channel.weight * healthOf(channel)) }))
    .sort((a, b) => b.channel.priority - a.channel.priority || a.arrival - b.arrival)
    .map(({ channel }) => channel);
